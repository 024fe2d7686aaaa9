{"payloadType":"application/vnd.recompiler.manifest.v1+json","signatures":[]}
