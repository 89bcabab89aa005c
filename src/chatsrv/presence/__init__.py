"""Hints about people, coalesced and dropped first under load: who may see whom, who is online, and who types.

| module | what it holds |
| --- | --- |
| `visibility` | who hides and who blocks whom |
| `watches` | who is online, for the connections that asked |
| `typing_notices` | who types in which group |
"""
