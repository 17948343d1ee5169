"""`python -m emulators.pubsub_server PORT`: a Pub/Sub of our own, for machines without Google's emulator.

Serves what the platform and its tests use of the real API over gRPC: topics, publishing, pull, streaming pull, push
with retry, ordering keys, dead letters. Everything lies in memory. Like Google's emulator it ignores `filter` and signs
nothing that it pushes. No servicer classes ship with the client library; generic handlers over its types do.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import grpc
import httpx
from google.protobuf import empty_pb2
from google.pubsub_v1 import types

from emulators.component import HOST
from emulators.pubsub_queue import Pending, Queue

_DELIVERED = (102, 200, 201, 202, 204)
_PUSHES_AT_ONCE = 16
_LONGEST_PULL_S = 5.0
_LARGEST_BYTES = 20 * 1024 * 1024


class Refused(Exception):
    """A call that Pub/Sub would refuse, with its gRPC status."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class _Served:
    """A subscription's queue, whoever waits for it, and the task that pushes it."""

    queue: Queue
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    pusher: asyncio.Task[None] | None = None

    async def wait(self, longest_s: float) -> None:
        """Return when something was put or given back, a lease or a pause ends, or after `longest_s` seconds."""
        at = self.queue.next_event_at()
        until_s = longest_s if at is None else min(max(at - time.monotonic(), 0.001), longest_s)
        self.changed.clear()
        try:
            await asyncio.wait_for(self.changed.wait(), until_s)
        except TimeoutError:
            return


class PubSubServer:
    """The state and the calls of both services, Publisher and Subscriber."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._topics: dict[str, types.Topic] = {}
        self._subscriptions: dict[str, _Served] = {}
        self._message_ids = itertools.count(1)

    # Publisher

    async def create_topic(self, topic: types.Topic) -> types.Topic:
        if topic.name in self._topics:
            raise Refused(grpc.StatusCode.ALREADY_EXISTS, f"Topic already exists: {topic.name}")
        self._topics[topic.name] = topic
        return topic

    async def get_topic(self, asked: types.GetTopicRequest) -> types.Topic:
        return self._topic(asked.topic)

    async def delete_topic(self, asked: types.DeleteTopicRequest) -> empty_pb2.Empty:
        self._topic(asked.topic)
        del self._topics[asked.topic]
        for served in self._of_topic(asked.topic):
            served.queue.subscription.topic = "_deleted-topic_"
        return empty_pb2.Empty()

    async def list_topics(self, asked: types.ListTopicsRequest) -> types.ListTopicsResponse:
        return types.ListTopicsResponse(
            topics=[topic for name, topic in self._topics.items() if name.startswith(f"{asked.project}/")]
        )

    async def list_topic_subscriptions(
        self, asked: types.ListTopicSubscriptionsRequest
    ) -> types.ListTopicSubscriptionsResponse:
        names = [served.queue.subscription.name for served in self._of_topic(asked.topic)]
        return types.ListTopicSubscriptionsResponse(subscriptions=names)

    async def publish(self, asked: types.PublishRequest) -> types.PublishResponse:
        self._topic(asked.topic)
        if not asked.messages or any(not (one.data or one.attributes) for one in asked.messages):
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, "A message needs data or at least one attribute.")
        return types.PublishResponse(message_ids=[self._put(asked.topic, one) for one in asked.messages])

    def _put(self, topic: str, message: types.PubsubMessage) -> str:
        fresh = types.PubsubMessage(message)
        fresh.message_id = str(next(self._message_ids))
        fresh.publish_time = datetime.now(UTC)
        for served in self._of_topic(topic):
            served.queue.put(fresh)
            served.changed.set()
        return str(fresh.message_id)

    # Subscriber

    async def create_subscription(self, asked: types.Subscription) -> types.Subscription:
        if asked.name in self._subscriptions:
            raise Refused(grpc.StatusCode.ALREADY_EXISTS, f"Subscription already exists: {asked.name}")
        self._topic(asked.topic)
        asked.ack_deadline_seconds = asked.ack_deadline_seconds or 10
        served = self._subscriptions[asked.name] = _Served(Queue(asked))
        self._push_or_not(served)
        return asked

    async def get_subscription(self, asked: types.GetSubscriptionRequest) -> types.Subscription:
        return self._served(asked.subscription).queue.subscription

    async def update_subscription(self, asked: types.UpdateSubscriptionRequest) -> types.Subscription:
        served = self._served(asked.subscription.name)
        for path in asked.update_mask.paths:
            setattr(served.queue.subscription, path, getattr(asked.subscription, path))
        self._push_or_not(served)
        return served.queue.subscription

    async def modify_push_config(self, asked: types.ModifyPushConfigRequest) -> empty_pb2.Empty:
        served = self._served(asked.subscription)
        served.queue.subscription.push_config = asked.push_config
        self._push_or_not(served)
        return empty_pb2.Empty()

    async def delete_subscription(self, asked: types.DeleteSubscriptionRequest) -> empty_pb2.Empty:
        served = self._served(asked.subscription)
        del self._subscriptions[asked.subscription]
        if served.pusher:
            served.pusher.cancel()
        return empty_pb2.Empty()

    async def list_subscriptions(self, asked: types.ListSubscriptionsRequest) -> types.ListSubscriptionsResponse:
        kept = {name: served.queue.subscription for name, served in self._subscriptions.items()}
        found = [one for name, one in kept.items() if name.startswith(f"{asked.project}/")]
        return types.ListSubscriptionsResponse(subscriptions=found)

    async def acknowledge(self, asked: types.AcknowledgeRequest) -> empty_pb2.Empty:
        self._settle(self._served(asked.subscription), asked.ack_ids, ())
        return empty_pb2.Empty()

    async def modify_ack_deadline(self, asked: types.ModifyAckDeadlineRequest) -> empty_pb2.Empty:
        changes = [(ack_id, asked.ack_deadline_seconds) for ack_id in asked.ack_ids]
        self._settle(self._served(asked.subscription), (), changes)
        return empty_pb2.Empty()

    async def pull(self, asked: types.PullRequest) -> types.PullResponse:
        served = self._served(asked.subscription)
        end = time.monotonic() + _LONGEST_PULL_S
        while True:
            taken = self._take(served, asked.max_messages)
            left_s = end - time.monotonic()
            if taken or asked.return_immediately or left_s <= 0:
                return types.PullResponse(received_messages=[_received(served.queue, one) for one in taken])
            await served.wait(left_s)

    async def streaming_pull(
        self, requests: AsyncIterator[types.StreamingPullRequest]
    ) -> AsyncIterator[types.StreamingPullResponse]:
        first = await anext(requests)
        served = self._served(first.subscription)
        listening = asyncio.create_task(self._listen(served, requests))
        lease_s = first.stream_ack_deadline_seconds
        try:
            while not listening.done():
                taken = self._take(served, first.max_outstanding_messages or 1000, lease_s)
                if taken:
                    messages = [_received(served.queue, one) for one in taken]
                    yield types.StreamingPullResponse(received_messages=messages)
                else:
                    await served.wait(_LONGEST_PULL_S)
        finally:
            listening.cancel()

    async def _listen(self, served: _Served, requests: AsyncIterator[types.StreamingPullRequest]) -> None:
        async for one in requests:
            changes = zip(one.modify_deadline_ack_ids, one.modify_deadline_seconds, strict=True)
            self._settle(served, one.ack_ids, changes)
        served.changed.set()  # the client is gone: the stream ends

    # What both rest on

    def _take(self, served: _Served, most: int, lease_s: float | None = None) -> list[Pending]:
        taken = served.queue.take(most, time.monotonic(), lease_s)
        self._bury(served)
        return taken

    def _settle(self, served: _Served, acks: Iterable[str], changes: Iterable[tuple[str, int]]) -> None:
        for ack_id in acks:
            served.queue.acknowledge(ack_id)
        for ack_id, deadline_s in changes:
            served.queue.modify(ack_id, deadline_s, time.monotonic())
        self._bury(served)
        served.changed.set()

    def _bury(self, served: _Served) -> None:
        """Publish what was given up as dead letters."""
        subscription = served.queue.subscription
        while served.queue.dead:
            message = types.PubsubMessage(served.queue.dead.pop(0))
            message.attributes["CloudPubSubDeadLetterSourceSubscription"] = subscription.name.rpartition("/")[2]
            message.attributes["CloudPubSubDeadLetterSourceDeliveryCount"] = str(served.queue.most_attempts)
            if subscription.dead_letter_policy.dead_letter_topic in self._topics:
                self._put(subscription.dead_letter_policy.dead_letter_topic, message)

    def _topic(self, name: str) -> types.Topic:
        if name not in self._topics:
            raise Refused(grpc.StatusCode.NOT_FOUND, f"Topic not found: {name}")
        return self._topics[name]

    def _served(self, name: str) -> _Served:
        if name not in self._subscriptions:
            raise Refused(grpc.StatusCode.NOT_FOUND, f"Subscription does not exist: {name}")
        return self._subscriptions[name]

    def _of_topic(self, topic: str) -> list[_Served]:
        return [one for one in self._subscriptions.values() if one.queue.subscription.topic == topic]

    # Push

    def _push_or_not(self, served: _Served) -> None:
        wanted = bool(served.queue.subscription.push_config.push_endpoint)
        if wanted and served.pusher is None:
            served.pusher = asyncio.create_task(self._push(served))
        elif not wanted and served.pusher is not None:
            served.pusher.cancel()
            served.pusher = None

    async def _push(self, served: _Served) -> None:
        """Push for as long as the subscription does; each message in a task of its own."""
        async with asyncio.TaskGroup() as deliveries:
            room = asyncio.Semaphore(_PUSHES_AT_ONCE)
            while True:
                await room.acquire()
                taken = self._take(served, 1)
                if taken:
                    deliveries.create_task(self._push_one(served, taken[0], room))
                else:
                    room.release()
                    await served.wait(_LONGEST_PULL_S)

    async def _push_one(self, served: _Served, pending: Pending, room: asyncio.Semaphore) -> None:
        queue, ack_id = served.queue, pending.ack_id
        try:
            reply = await self._http.post(
                queue.subscription.push_config.push_endpoint,
                json=_pushed(queue, pending),
                timeout=queue.ack_deadline_s,
            )
            delivered = reply.status_code in _DELIVERED
        except httpx.HTTPError:
            delivered = False  # comes again after its pause, like any refusal
        finally:
            room.release()
        self._settle(served, [ack_id] if delivered else [], [] if delivered else [(ack_id, 0)])


def _received(queue: Queue, pending: Pending) -> types.ReceivedMessage:
    attempt = pending.attempts if queue.most_attempts else 0
    return types.ReceivedMessage(ack_id=pending.ack_id, message=pending.message, delivery_attempt=attempt)


def _pushed(queue: Queue, pending: Pending) -> dict[str, object]:
    """Return the body that Pub/Sub pushes: the message in a wrapper, its data in base64."""
    message = pending.message
    published = message.publish_time.rfc3339()
    shown: dict[str, object] = {
        "data": base64.b64encode(message.data).decode(),
        "attributes": dict(message.attributes),
        "messageId": message.message_id,
        "message_id": message.message_id,
        "publishTime": published,
        "publish_time": published,
    }
    if message.ordering_key:
        shown["orderingKey"] = message.ordering_key
    body: dict[str, object] = {"message": shown, "subscription": queue.subscription.name}
    return body | {"deliveryAttempt": pending.attempts} if queue.most_attempts else body


def _unary(call: Callable[[Any], Awaitable[Any]], request: Any, response: Any) -> grpc.RpcMethodHandler:
    async def handle(asked: Any, context: grpc.aio.ServicerContext) -> Any:
        try:
            return await call(asked)
        except Refused as refusal:
            await context.abort(refusal.code, str(refusal))

    write = empty_pb2.Empty.SerializeToString if response is empty_pb2.Empty else response.serialize
    return grpc.unary_unary_rpc_method_handler(handle, request.deserialize, write)


def _stream(server: PubSubServer) -> grpc.RpcMethodHandler:
    async def handle(asked: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
        try:
            async for answer in server.streaming_pull(asked):
                yield answer
        except Refused as refusal:
            await context.abort(refusal.code, str(refusal))

    return grpc.stream_stream_rpc_method_handler(
        handle, types.StreamingPullRequest.deserialize, types.StreamingPullResponse.serialize
    )


def _handlers(server: PubSubServer) -> tuple[grpc.GenericRpcHandler, ...]:
    empty = empty_pb2.Empty
    publisher = {
        "CreateTopic": _unary(server.create_topic, types.Topic, types.Topic),
        "GetTopic": _unary(server.get_topic, types.GetTopicRequest, types.Topic),
        "DeleteTopic": _unary(server.delete_topic, types.DeleteTopicRequest, empty),
        "ListTopics": _unary(server.list_topics, types.ListTopicsRequest, types.ListTopicsResponse),
        "ListTopicSubscriptions": _unary(
            server.list_topic_subscriptions, types.ListTopicSubscriptionsRequest, types.ListTopicSubscriptionsResponse
        ),
        "Publish": _unary(server.publish, types.PublishRequest, types.PublishResponse),
    }
    subscriber = {
        "CreateSubscription": _unary(server.create_subscription, types.Subscription, types.Subscription),
        "GetSubscription": _unary(server.get_subscription, types.GetSubscriptionRequest, types.Subscription),
        "UpdateSubscription": _unary(server.update_subscription, types.UpdateSubscriptionRequest, types.Subscription),
        "DeleteSubscription": _unary(server.delete_subscription, types.DeleteSubscriptionRequest, empty),
        "ListSubscriptions": _unary(
            server.list_subscriptions, types.ListSubscriptionsRequest, types.ListSubscriptionsResponse
        ),
        "ModifyPushConfig": _unary(server.modify_push_config, types.ModifyPushConfigRequest, empty),
        "ModifyAckDeadline": _unary(server.modify_ack_deadline, types.ModifyAckDeadlineRequest, empty),
        "Acknowledge": _unary(server.acknowledge, types.AcknowledgeRequest, empty),
        "Pull": _unary(server.pull, types.PullRequest, types.PullResponse),
        "StreamingPull": _stream(server),
    }
    generic = grpc.method_handlers_generic_handler
    return generic("google.pubsub.v1.Publisher", publisher), generic("google.pubsub.v1.Subscriber", subscriber)


async def serve(port: int) -> None:
    """Serve on the loopback port until cancelled."""
    async with httpx.AsyncClient(limits=httpx.Limits(max_connections=256)) as http:
        server = grpc.aio.server(options=[("grpc.max_receive_message_length", _LARGEST_BYTES)])
        server.add_generic_rpc_handlers(_handlers(PubSubServer(http)))
        server.add_insecure_port(f"{HOST}:{port}")
        await server.start()
        await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
