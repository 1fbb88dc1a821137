"""Several gateways that share calls: who they are, which of them holds what, and how a call goes on elsewhere."""
