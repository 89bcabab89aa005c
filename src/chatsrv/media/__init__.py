"""Media: where bytes live, what kind they are, and the small previews made of them.

Nothing is imported here, on purpose: `python -m chatsrv.media.probe.worker` passes through this file, and the worker
must load neither Trio nor httpx. Import the module that is meant:

| module | what it is for |
| --- | --- |
| `store.interface` | what a store of bytes must do |
| `store.local`, `store.s3` | its implementations (`store.spool`: partial uploads of both; `s3_client`, `sigv4`: requests to S3) |
| `store.names` | which strings may become part of a path; display names in headers |
| `probe.sniff` | the kind of a file, by its content |
| `probe.pool`, `probe.facts` | facts and previews of a file, made in worker processes |
| `probe.worker`, `probe.preload`, `probe.preview_image`, `probe.preview_av` | the worker's side of that |
| `probe.metadata`, `probe.waveform`, `probe.missing_bytes`, `probe.blurhash` | parts of the previews |
| `library`, `uploads`, `ingest`, `upload_limits`, `signed_urls` | uploads on their way in, media for those who may, signed URLs |
| `errors` | the typed errors of all of them |
"""
