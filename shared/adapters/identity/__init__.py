"""The public keys of whoever issues service tokens: a document in the settings, a file, or an https address."""
