{"payloadType":"application/vnd.recompiler.manifest.v1+json","signatures":[{"keyid":"2964fa2e02fa7c254ea19f4d2ba9d860c076b06bbf226188c3661a8721806781","sig":"2M+6sX6+ADwOhCeWLCn1Z36stlxEyGp3kTEQgLCHswj3XvaNkBU0vuaKbTp6THMHZz0Wx0nK45ntv/FATOr4AQ=="}]}
x
