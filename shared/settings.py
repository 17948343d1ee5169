"""Configuration: one frozen type per need, read once from the environment where the composition root builds a port.

A missing variable is named in the error, with what it is for. Nothing else in the platform reads the environment.
"""

import json
import os
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, Self

from shared.kernel.money import declare


class Misconfigured(Exception):
    """A setting is missing or makes no sense; the message names the variable and what to put there."""


def required(environ: Mapping[str, str], name: str, what: str) -> str:
    """Return the variable's value. Raises Misconfigured naming it and what it is for."""
    value = environ.get(name, "")
    if not value:
        raise Misconfigured(f"{name} is not set: {what}. `make run` sets it; see docs/architecture.md, Settings.")
    return value


def whole_number(environ: Mapping[str, str], name: str, default: int) -> int:
    """Return the variable as a number ≥ 0, or `default` where it is not set. Raises Misconfigured for anything else."""
    value = environ.get(name, "")
    if not value:
        return default
    if not (value.isascii() and value.isdigit()):
        raise Misconfigured(f"{name} must be a whole number, such as {default}.")
    return int(value)


def secret_bytes(environ: Mapping[str, str], name: str, what: str) -> bytes:
    """Return a 32-byte key given as base64. Raises Misconfigured when it is missing or of another length."""
    try:
        key = b64decode(required(environ, name, what), validate=True)
    except ValueError as wrong:
        raise Misconfigured(f"{name} is not base64.") from wrong
    if len(key) != 32:
        raise Misconfigured(f"{name} must be 32 bytes in base64; it is {len(key)}.")
    return key


@dataclass(frozen=True, slots=True)
class RegionSettings:
    """Where this instance runs."""

    name: str

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return the region's settings from CORTADO_REGION."""
        return cls(environ.get("CORTADO_REGION", "local"))


@dataclass(frozen=True, slots=True)
class PostgresSettings:
    """How to reach the database."""

    url: str
    connections: int = 4
    connect_timeout_s: float = 3.0
    statement_timeout_s: float = 5.0
    connection_age_s: float = 300.0
    wait_s: float = 2.0
    """How long a call waits for one of the connections before it is turned away."""
    tls: bool = False
    application_name: str = "cortado"

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return the primary's settings from DATABASE_URL and DATABASE_CONNECTIONS."""
        return cls(
            url=required(environ, "DATABASE_URL", "postgresql://user:password@host:port/database of the primary"),
            connections=int(environ.get("DATABASE_CONNECTIONS", "4")),
            tls=environ.get("DATABASE_TLS", "") == "require",
            application_name=environ.get("K_SERVICE", "cortado"),
        )


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """How to reach the region's Redis. It is a cache: every port that uses it works, slower, without it."""

    url: str
    timeout_s: float = 0.25
    connections: int = 32

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return the cache's settings from REDIS_URL."""
        return cls(url=required(environ, "REDIS_URL", "redis://host:port/database of the region's cache"))


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """How to reach the region's Kafka, and how topics are made where nobody made them yet."""

    bootstrap: str
    partitions: int = 4
    replication: int = -1
    """-1: the cluster's default."""
    fetch_wait_ms: int = 500
    """How long a broker holds a fetch that finds nothing. Kafka answers at once when something comes; a broker that
    does not is asked often instead."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return the cluster's settings from KAFKA_BOOTSTRAP_SERVERS, KAFKA_PARTITIONS and KAFKA_FETCH_WAIT_MS."""
        return cls(
            bootstrap=required(environ, "KAFKA_BOOTSTRAP_SERVERS", "host:port[,host:port…] of the region's Kafka"),
            partitions=whole_number(environ, "KAFKA_PARTITIONS", 4),
            fetch_wait_ms=whole_number(environ, "KAFKA_FETCH_WAIT_MS", 500),
        )


@dataclass(frozen=True, slots=True)
class GoogleSettings:
    """The project that Pub/Sub and Firestore belong to. Emulators are found by the libraries' own variables."""

    project: str
    pubsub_emulator: str | None = None
    """host:port of the Pub/Sub emulator; None in the cloud."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return the project's settings from GOOGLE_CLOUD_PROJECT and PUBSUB_EMULATOR_HOST."""
        return cls(
            project=required(environ, "GOOGLE_CLOUD_PROJECT", "the project of Pub/Sub and Firestore"),
            pubsub_emulator=environ.get("PUBSUB_EMULATOR_HOST") or None,
        )


@dataclass(frozen=True, slots=True)
class FunctionUrlSettings:
    """Where the dispatcher and the ticker find a function."""

    template: str

    def of(self, operation: str) -> str:
        """Return the URL of an operation's function."""
        return self.template.format(function=operation)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return the template from FUNCTION_URL_TEMPLATE."""
        template = required(environ, "FUNCTION_URL_TEMPLATE", "for example http://127.0.0.1:8081/{function}")
        if "{function}" not in template:
            raise Misconfigured("FUNCTION_URL_TEMPLATE has no {function} in it.")
        return cls(template)


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What a worker of the event path shows of itself."""

    metrics_port: int | None = None
    """Where Prometheus finds the worker's metrics; None: nowhere."""
    metrics_host: str = "127.0.0.1"

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return the worker's settings from METRICS_PORT and METRICS_HOST."""
        port = environ.get("METRICS_PORT", "")
        return cls(int(port) if port else None, environ.get("METRICS_HOST", "127.0.0.1"))


@dataclass(frozen=True, slots=True)
class EdgeSettings:
    """How a function meets its callers."""

    public_url: str
    """Where clients reach the API, without a slash at the end; problem types name it."""
    region: str = "local"
    rate_per_minute: int = 3000
    """Calls that one caller may make to one operation in a minute; 0 is no limit."""
    proxy_hops: int = 0
    """How many trusted proxies append to X-Forwarded-For in front of us; 0 takes the peer's address."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return the edge's settings from PUBLIC_URL, CORTADO_REGION, RATE_LIMIT_PER_MINUTE, TRUSTED_PROXY_HOPS."""
        return cls(
            public_url=required(environ, "PUBLIC_URL", "where clients reach the API, http://127.0.0.1:8080").rstrip(
                "/"
            ),
            region=environ.get("CORTADO_REGION", "local"),
            rate_per_minute=whole_number(environ, "RATE_LIMIT_PER_MINUTE", 3000),
            proxy_hops=whole_number(environ, "TRUSTED_PROXY_HOPS", 0),
        )


@dataclass(frozen=True, slots=True)
class CustomerTokenSettings:
    """The keys behind the token of a person who signed in."""

    keys: str = field(repr=False)
    """A JWKS with private keys (Ed25519 or P-256). The first one signs; all of them verify."""
    issuer: str
    audience: str = "cortado"
    lifetime_s: int = 900

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return the keys from CUSTOMER_TOKEN_KEYS, the issuer from PUBLIC_URL, CUSTOMER_TOKEN_LIFETIME_S."""
        return cls(
            keys=required(environ, "CUSTOMER_TOKEN_KEYS", "a JWKS whose first private key signs customers' tokens"),
            issuer=required(environ, "PUBLIC_URL", "where clients reach the API, http://127.0.0.1:8080").rstrip("/"),
            lifetime_s=whole_number(environ, "CUSTOMER_TOKEN_LIFETIME_S", 900),
        )


@dataclass(frozen=True, slots=True)
class ServiceIdentitySettings:
    """Whom event, scheduled and work functions believe."""

    issuer: str
    audience: str
    jwks: str
    """A JWKS document, the path of a file with one, or an https URL."""
    callers: frozenset[str] = frozenset({"dispatcher", "scheduler", "pubsub"})
    """The verified e-mail (or, where there is none, the subject) of dispatcher, scheduler and Pub/Sub."""
    token_in_query: bool = False
    """Whether a work function takes its token from `?token=` too: Pub/Sub's emulator can't sign what it pushes."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return them from SERVICE_ISSUER, SERVICE_AUDIENCE, SERVICE_JWKS, SERVICE_CALLERS, PUBSUB_EMULATOR_HOST.

        Raises Misconfigured also for Google as the issuer without SERVICE_CALLERS: anybody gets tokens there.
        """
        issuer = required(environ, "SERVICE_ISSUER", "the issuer of service tokens, https://accounts.google.com")
        callers = environ.get("SERVICE_CALLERS", "")
        if issuer.removeprefix("https://") == "accounts.google.com":
            required(environ, "SERVICE_CALLERS", "e-mails of dispatcher's, scheduler's, Pub/Sub's accounts, by commas")
        return cls(
            issuer=issuer,
            audience=required(environ, "SERVICE_AUDIENCE", "the audience that service tokens are made for"),
            jwks=required(environ, "SERVICE_JWKS", "the issuer's public keys: a JWKS document, a path or an https URL"),
            callers=frozenset(callers.replace(",", " ").split()) or frozenset({"dispatcher", "scheduler", "pubsub"}),
            token_in_query=bool(environ.get("PUBSUB_EMULATOR_HOST")),
        )


@dataclass(frozen=True, slots=True)
class ServiceSignerSettings:
    """What dispatcher, ticker and relay sign their calls with, where no metadata server does it for them."""

    key: str = field(repr=False)
    """RSA private key, PEM."""
    issuer: str
    audience: str

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return them from SERVICE_SIGNING_KEY (PEM), SERVICE_ISSUER, SERVICE_AUDIENCE."""
        return cls(
            key=required(
                environ, "SERVICE_SIGNING_KEY", "the RSA private key (PEM) that service tokens are signed with"
            ),
            issuer=required(environ, "SERVICE_ISSUER", "the issuer of service tokens"),
            audience=required(environ, "SERVICE_AUDIENCE", "the audience that service tokens are made for"),
        )


@dataclass(frozen=True, slots=True)
class SealingSettings:
    """The key under which personal fields and account keys lie in the database."""

    key: bytes = field(repr=False)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return the key from SEALING_KEY."""
        return cls(secret_bytes(environ, "SEALING_KEY", "32 random bytes in base64 that seal personal fields"))


@dataclass(frozen=True, slots=True)
class PayoutSettings:
    """How a shop comes to be paid to another account."""

    domain: str
    """Stands in what the wallets of accounts sign."""
    delay_s: int = 86_400
    """From the agreement of a second person until a change takes effect."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return them from SIWE_DOMAIN and PAYOUT_DELAY_S."""
        return cls(
            domain=required(environ, "SIWE_DOMAIN", "host[:port] of the page that people sign in on"),
            delay_s=whole_number(environ, "PAYOUT_DELAY_S", 86_400),
        )


@dataclass(frozen=True, slots=True)
class ClaimCodeSettings:
    """The key from which pick-up codes and their hashes are derived."""

    key: bytes = field(repr=False)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return the key from CLAIM_CODE_KEY."""
        return cls(secret_bytes(environ, "CLAIM_CODE_KEY", "32 random bytes in base64 that pick-up codes come from"))


@dataclass(frozen=True, slots=True)
class ClaimSigningSettings:
    """The key that claim tokens are signed with, and the public ones that are published beside it."""

    seed: bytes = field(repr=False)
    """Ed25519 seed, 32 bytes."""
    older: tuple[bytes, ...] = ()
    """Public keys of 32 bytes: those that signed before, and those that will: shops know a key before it signs."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return the key from CLAIM_SIGNING_KEY, and public ones from CLAIM_OTHER_KEYS (base64, by commas)."""
        name, what = "CLAIM_OTHER_KEYS", "public Ed25519 keys before and after the one that signs, in base64, by commas"
        others = environ.get(name, "").replace(",", " ").split()
        return cls(
            secret_bytes(environ, "CLAIM_SIGNING_KEY", "an Ed25519 seed, 32 random bytes in base64"),
            tuple(secret_bytes({name: key}, name, what) for key in others),
        )


@dataclass(frozen=True, slots=True)
class SignInSettings:
    """What a message of "Sign in with Ethereum" must name to be meant for us."""

    domain: str
    """host[:port] of the page that people sign in on."""
    chain_ids: frozenset[int]
    tries_per_minute: int = 30
    """Nonces, and sign-ins, that one network (an IPv4 address, a /64) may ask for in a minute."""
    bitcoin_network: str = ""
    """As its node calls it; none where CHAINS has no Bitcoin."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return them from SIWE_DOMAIN, SIGN_IN_LIMIT_PER_MINUTE and SIWE_CHAIN_IDS, or the EVM chains of CHAINS."""
        ids = environ.get("SIWE_CHAIN_IDS", "").replace(",", " ").split()
        if not ids:
            what = "chain ids that people may sign in on, by commas, unless CHAINS names EVM chains"
            chains = json.loads(
                required(environ, "CHAINS", f"the chains to watch, as JSON (or SIWE_CHAIN_IDS: {what})")
            )
            ids = [str(chain["chain_id"]) for chain in chains.values() if chain.get("kind") == "evm"]
        if not ids or not all(number.isascii() and number.isdigit() for number in ids):
            raise Misconfigured("SIWE_CHAIN_IDS must be whole numbers by commas, such as 1,8453.")
        return cls(
            domain=required(environ, "SIWE_DOMAIN", "host[:port] of the page that people sign in on"),
            chain_ids=frozenset(int(number) for number in ids),
            tries_per_minute=whole_number(environ, "SIGN_IN_LIMIT_PER_MINUTE", 30),
            bitcoin_network=_network(environ),
        )


def _network(environ: Mapping[str, str]) -> str:
    chains = ChainsSettings.from_env(environ).chains if environ.get("CHAINS") else ()
    return next((chain.network for chain in chains if chain.kind == "bitcoin"), "")


@dataclass(frozen=True, slots=True)
class WalletSearchSettings:
    """The Bitcoin chains whose node goes through all unspent coins to tell what somebody's address holds."""

    chains: frozenset[str] = frozenset()

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return their names from WALLET_SEARCHES, by commas. On the main network a search takes minutes: none."""
        return cls(frozenset(environ.get("WALLET_SEARCHES", "").replace(",", " ").split()))


@dataclass(frozen=True, slots=True)
class EvmNodeSettings:
    """The nodes that smart-contract wallets are asked through; none where CHAINS is not set."""

    url_by_chain: Mapping[int, str] = field(default_factory=dict, repr=False)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return the nodes of the EVM chains of CHAINS, by chain id."""
        chains = ChainsSettings.from_env(environ).chains if environ.get("CHAINS") else ()
        return cls({chain.chain_id: chain.rpc for chain in chains if chain.kind == "evm"})


@dataclass(frozen=True, slots=True)
class AwsSettings:
    """How push messages and e-mails leave: SNS platform applications and the sender that SES has verified."""

    region: str
    push_applications: Mapping[str, str]
    """Platform application ARN by platform: `fcm`, `apns`."""
    email_from: str
    endpoint_url: str | None = None
    connect_timeout_s: float = 2.0
    read_timeout_s: float = 8.0

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return them from AWS_REGION, PUSH_APPLICATIONS (JSON), EMAIL_FROM and AWS_ENDPOINT_URL."""
        applications = environ.get("PUSH_APPLICATIONS", "")
        try:
            arns = json.loads(applications) if applications else {}
        except ValueError as wrong:
            raise Misconfigured("PUSH_APPLICATIONS is not JSON: an object of ARNs by platform (fcm, apns).") from wrong
        return cls(
            region=required(environ, "AWS_REGION", "the AWS region of SNS and SES"),
            push_applications=arns,
            email_from=required(environ, "EMAIL_FROM", "the sender address that SES has verified"),
            endpoint_url=environ.get("AWS_ENDPOINT_URL") or None,
        )


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """Where webhooks may lead."""

    allow_loopback: bool = False
    """Whether an endpoint may be on this very machine, over http too: for the local platform and tests alone."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return them from WEBHOOKS_TO_LOOPBACK: `allow`, or anything else for the cloud."""
        return cls(allow_loopback=environ.get("WEBHOOKS_TO_LOOPBACK", "") == "allow")


@dataclass(frozen=True, slots=True)
class ImageSettings:
    """Where pictures of menus lie: a bucket, and the URL at which everybody reads it."""

    bucket: str
    region: str
    endpoint_url: str | None = None
    connect_timeout_s: float = 2.0
    read_timeout_s: float = 5.0

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return them from IMAGE_BUCKET, AWS_REGION and AWS_ENDPOINT_URL."""
        return cls(
            bucket=required(environ, "IMAGE_BUCKET", "the bucket that pictures of menus are uploaded to"),
            region=required(environ, "AWS_REGION", "the AWS region of the bucket"),
            endpoint_url=environ.get("AWS_ENDPOINT_URL") or None,
        )

    @staticmethod
    def public_from_env(environ: Mapping[str, str] = os.environ) -> str:
        """Return IMAGE_URL, where the bucket's pictures are read, without a slash at its end; empty: beside the API."""
        return environ.get("IMAGE_URL", "").rstrip("/")


EVM_DECIMALS: Final = 18
"""Of the coin that an EVM chain's gas is paid in: the machine counts in wei, whatever the coin is called."""


@dataclass(frozen=True, slots=True)
class TokenSettings:
    """A token contract that may be paid with."""

    symbol: str
    contract: str
    decimals: int
    peg: str | None = None
    """The currency that a stablecoin is to be worth one unit of: further away it is refused."""
    priced_as: str | None = None
    """The symbol that price feeds know it by, where that is another one."""


@dataclass(frozen=True, slots=True)
class ChainSettings:
    """One chain that is watched. `name` is its key in CHAINS, and part of every transfer's identity."""

    name: str
    kind: str
    """`bitcoin` or `evm`."""
    rpc: str = field(repr=False)
    confirmations: int = 1
    """As many confirmations a payment needs at least; a shop may ask for more."""
    network: str = ""
    """Bitcoin: as the node calls it (`main`, `regtest`)."""
    final_depth: int = 6
    """Bitcoin: the confirmations from which a block counts as final."""
    chain_id: int = 0
    native: str = ""
    """EVM: the symbol of the chain's own coin."""
    tokens: tuple[TokenSettings, ...] = ()
    finality: str = "tag"
    """EVM: `tag` (the node's finalized block) or `depth:n`."""
    second: str = field(default="", repr=False)
    """The rpc URL of another node of this chain, run by somebody else: a block settles nothing before both have it."""
    alone_depth: int = 6
    """As many confirmations more are needed while one of the two is missing."""
    policies: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, hash=False)
    """By symbol, what of `shared/payments/policy.py` is set otherwise: tolerance, tolerance_bp, dust, tiers."""
    spending: Mapping[str, int] = field(default_factory=dict, hash=False)
    """What the hot wallet's fee policy has otherwise, and `born`; see docs/signing.md."""
    hot_wallet: str = ""
    """The address that refunds are paid from, where it is to be reconciled; see docs/reconciliation.md."""

    @property
    def assets(self) -> tuple[str, ...]:
        """Return the symbols of what can be paid with here."""
        if self.kind == "bitcoin":
            return ("BTC",)
        return (self.native, *(token.symbol for token in self.tokens))

    @classmethod
    def of(cls, name: str, told: Mapping[str, Any]) -> Self:
        """Return one entry of CHAINS. Raises Misconfigured."""
        known = {f.name for f in fields(cls)} - {"name"}
        unknown = set(told) - known
        if unknown:
            raise Misconfigured(f"CHAINS: {name} has unknown keys: {', '.join(sorted(unknown))}.")
        if told.get("kind") not in ("bitcoin", "evm") or not told.get("rpc"):
            raise Misconfigured(f"CHAINS: {name} needs a kind (bitcoin or evm) and an rpc URL.")
        wanted = "network" if told["kind"] == "bitcoin" else "chain_id"
        if not told.get(wanted):
            raise Misconfigured(f"CHAINS: {name} needs a {wanted}.")
        if told["kind"] == "evm" and name != f"evm:{told['chain_id']}":
            raise Misconfigured(f"CHAINS: {name} must be named evm:{told['chain_id']}, after its chain id.")
        try:
            tokens = tuple(TokenSettings(symbol, **token) for symbol, token in told.get("tokens", {}).items())
            settings = cls(name=name, **{**told, "tokens": tokens})
        except (AttributeError, KeyError, TypeError, ValueError) as wrong:
            raise Misconfigured(f"CHAINS: a token of {name} needs a contract and decimals.") from wrong
        settings.declare()
        return settings

    def declare(self) -> None:
        """Make the chain's assets known to this process. Raises Misconfigured where a symbol means two coins."""
        try:
            if self.kind == "evm":
                declare(self.native, EVM_DECIMALS)
            for token in self.tokens:
                declare(token.symbol, token.decimals, peg=token.peg, priced_as=token.priced_as)
        except (TypeError, ValueError) as wrong:
            raise Misconfigured(f"CHAINS: an asset of {self.name} can't be: {wrong}.") from wrong


@dataclass(frozen=True, slots=True)
class ChainsSettings:
    """Every chain that can be paid on, in order of preference where an asset exists on several."""

    chains: tuple[ChainSettings, ...]

    @property
    def bitcoin_network(self) -> str:
        """Return the network of the Bitcoin chain, as its node calls it; `main` where there is none."""
        return next((chain.network for chain in self.chains if chain.kind == "bitcoin"), "main")

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return them from CHAINS."""
        told = _json(environ, "CHAINS", 'JSON such as {"bitcoin": {"kind": "bitcoin", "network": "main", "rpc": "…"}}')
        if not isinstance(told, dict) or not all(isinstance(chain, dict) for chain in told.values()):
            raise Misconfigured("CHAINS must be a JSON object of chains by name.")
        return cls(tuple(ChainSettings.of(name, chain) for name, chain in told.items()))


def declare_assets(environ: Mapping[str, str] = os.environ) -> None:
    """Make the assets of CHAINS known to this process, where it is set. Raises Misconfigured."""
    if environ.get("CHAINS"):
        ChainsSettings.from_env(environ)


@dataclass(frozen=True, slots=True)
class KeySettings:
    """Where the key of a family of chains is: a secret of its own (`local`), or a key version in Cloud KMS (`kms`)."""

    kind: str
    key: bytes = field(default=b"", repr=False)
    """local: 32 bytes, in hex."""
    key_version: str = ""
    """kms: `projects/…/locations/…/keyRings/…/cryptoKeys/…/cryptoKeyVersions/1`."""

    @classmethod
    def of(cls, family: str, told: object) -> Self:
        """Return one entry of SIGNING. Raises Misconfigured, without the key in what it says."""
        if isinstance(told, dict):
            match told:
                case {"kind": "local", "key": str(key)} if len(told) == 2 and _is_secret(key):
                    return cls("local", key=bytes.fromhex(key))
                case {"kind": "kms", "key_version": str(version)} if len(told) == 2 and version.startswith("projects/"):
                    return cls("kms", key_version=version)
        raise Misconfigured(
            f'SIGNING: {family} needs {{"kind": "kms", "key_version": "projects/…"}}, '
            'or for development {"kind": "local", "key": "32 bytes in hex"}.'
        )


def _is_secret(text: str) -> bool:
    """Tell whether a text is a secret key of secp256k1 in hex: 32 bytes, more than zero, below the order."""
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    try:
        return len(text) == 64 and 0 < int(text, 16) < order
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class SigningSettings:
    """The keys of the hot wallets, one for each family of chains. Only functions that need `signing` are given them."""

    key_by_family: Mapping[str, KeySettings]

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return them from SIGNING."""
        told = _json(environ, "SIGNING", 'JSON such as {"bitcoin": {"kind": "kms", "key_version": "projects/…"}}')
        if not isinstance(told, dict) or not told.keys() <= {"bitcoin", "evm"}:
            raise Misconfigured("SIGNING must be a JSON object of keys by family of chains: bitcoin, evm.")
        return cls({family: KeySettings.of(family, key) for family, key in told.items()})


@dataclass(frozen=True, slots=True)
class AddressSettings:
    """How receive addresses are kept ready, and how far wallets look."""

    pool_size: int = 20
    """Addresses that an account in use has free."""
    gap_limit: int = 20
    """Unused addresses in a row after which a wallet looks no further (BIP-44); many can be told another number."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return them from ADDRESS_POOL_SIZE and WALLET_GAP_LIMIT."""
        return cls(
            pool_size=whole_number(environ, "ADDRESS_POOL_SIZE", 20),
            gap_limit=whole_number(environ, "WALLET_GAP_LIMIT", 20),
        )


@dataclass(frozen=True, slots=True)
class RefundSettings:
    """What of `shared/payments/refund_policy.py` is set otherwise."""

    told: Mapping[str, Any]

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return it from REFUNDS, a JSON object; nothing where it is not set. Raises Misconfigured."""
        try:
            told = json.loads(environ.get("REFUNDS", "") or "{}")
        except ValueError as wrong:
            raise Misconfigured('REFUNDS is not JSON: an object such as {"automatic_minor": 5000}.') from wrong
        if not isinstance(told, dict):
            raise Misconfigured('REFUNDS is no JSON object, such as {"automatic_minor": 5000}.')
        return cls(told)


@dataclass(frozen=True, slots=True)
class QuoteSigningSettings:
    """The key that quotes are signed with, and those before it, which still verify what they signed."""

    seed: bytes = field(repr=False)
    """Ed25519 seed, 32 bytes."""
    older: tuple[bytes, ...] = ()
    """Public keys of 32 bytes."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return the key from QUOTE_SIGNING_KEY, and public ones from QUOTE_OLD_KEYS (base64, by commas)."""
        what = "public Ed25519 keys that quotes were signed with before, in base64, by commas"
        older = environ.get("QUOTE_OLD_KEYS", "").replace(",", " ").split()
        return cls(
            secret_bytes(environ, "QUOTE_SIGNING_KEY", "an Ed25519 seed, 32 random bytes in base64"),
            tuple(secret_bytes({"QUOTE_OLD_KEYS": key}, "QUOTE_OLD_KEYS", what) for key in older),
        )


@dataclass(frozen=True, slots=True)
class FeedSettings:
    """One price feed. `format` is whose paths and answers it has, such as `kraken`, or `chainlink`.

    Chainlink's are contracts on a chain of CHAINS: `contracts` has their addresses by pair (`BTC-USD`), `sequencer`
    that of the uptime feed where the chain has a sequencer.
    """

    name: str
    format: str
    url: str = field(default="", repr=False)
    stale_s: int | None = None
    """As old may its prices be, where that differs from what is usual of the format."""
    chain: str = ""
    contracts: Mapping[str, str] = field(default_factory=dict, hash=False)
    sequencer: str | None = None


@dataclass(frozen=True, slots=True)
class PricesSettings:
    """Which feeds are asked, and for which currencies."""

    feeds: tuple[FeedSettings, ...]
    currencies: tuple[str, ...]

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return them from FEEDS (JSON list of name, url, format) and PRICE_CURRENCIES (EUR,USD)."""
        told = _json(environ, "FEEDS", 'JSON such as [{"name": "kraken", "url": "…", "format": "kraken"}]')
        try:
            feeds = tuple(FeedSettings(**feed) for feed in told)
        except TypeError as wrong:
            raise Misconfigured("FEEDS must be a JSON list of objects with name, format and url or chain.") from wrong
        if len({feed.name for feed in feeds}) != len(feeds):
            raise Misconfigured("FEEDS: two feeds have one name; one of them alone could outvote the others.")
        return cls(
            tuple(feed if feed.url else _on_chain(feed, environ) for feed in feeds),
            tuple(environ.get("PRICE_CURRENCIES", "EUR,USD").replace(",", " ").split()),
        )


def _on_chain(feed: FeedSettings, environ: Mapping[str, str]) -> FeedSettings:
    """Return a feed that has no URL with that of its chain's node. Raises Misconfigured."""
    for chain in ChainsSettings.from_env(environ).chains if feed.chain else ():
        if chain.name == feed.chain:
            return replace(feed, url=chain.rpc)
    raise Misconfigured(f"FEEDS: {feed.name} needs a url, or a chain that is in CHAINS.")


def _json(environ: Mapping[str, str], name: str, what: str) -> Any:
    try:
        return json.loads(required(environ, name, what))
    except ValueError as wrong:
        raise Misconfigured(f"{name} is not JSON: {what}.") from wrong
