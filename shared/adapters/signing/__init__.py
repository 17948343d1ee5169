"""Keys that sign what sends coins: one on this machine for development, one in Cloud KMS for the cloud.

Only functions whose entry `needs: [signing]` may import this package, and only they are given SIGNING.
"""
