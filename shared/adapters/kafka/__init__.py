"""Kafka by confluent-kafka: the producer that the relay and the dispatcher share, the consumer, the topics."""
