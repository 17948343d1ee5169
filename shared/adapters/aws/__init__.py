"""SNS mobile push and SES e-mail. Belongs here: boto3 (imported at the first send), and what its errors mean."""
