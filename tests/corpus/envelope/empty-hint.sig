{"payloadType":"application/vnd.recompiler.manifest.v1+json","signatures":[{"keyid":"","sig":"2M+6sX6+ADwOhCeWLCn1Z36stlxEyGp3kTEQgLCHswj3XvaNkBU0vuaKbTp6THMHZz0Wx0nK45ntv/FATOr4AQ=="}]}
