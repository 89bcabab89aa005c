"""The load-test harness of chatsrv: `python -m bench SCENARIO`. Not shipped; see docs/performance.md."""
