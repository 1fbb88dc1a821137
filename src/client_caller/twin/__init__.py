"""A simulated Twilio: the account's REST API, its telephones, and what it does over webhooks and media sockets."""
