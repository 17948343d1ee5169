"""Everything the functions share: the kernel, one package per service, the adapters, the edge and the wiring.

Imports run one way: functions → wiring → edge | adapters → <service> → kernel.
"""
