"""Firestore: the live documents that customers' phones listen to. A projection; nothing is ever read back as truth."""
