"""Media: where bytes live, what kind they are, and the small previews made of them.

Nothing is imported here, on purpose: `python -m chatsrv.media.probe.worker` passes through this file, and the worker
must load neither Trio nor httpx. Import the module that is meant:

| module | what it is for |
| --- | --- |
| `port` | the port: what a store of bytes must do |
| `local`, `s3` | its two twins (`spool`: partial uploads of both; `s3_client`, `sigv4`: requests to S3) |
| `names` | which strings may become part of a path; display names in headers |
| `sniff` | the kind of a file, by its content |
| `probe`, `facts` | facts and previews of a file, made in worker processes |
| `probe_worker`, `warm_up`, `preview_image`, `preview_av`, `blurhash` | the worker's side of that |
| `library`, `terms`, `tickets` | uploads on their way in, media for those who may, signed URLs |
| `errors` | the typed errors of all of them |
"""
