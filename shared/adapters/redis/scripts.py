"""The Lua that has to run inside Redis because it compares before it writes."""

from typing import Final

HEADER: Final = 28
"""Bytes before a cached value: ten digits of generation, sixteen of version, one kind, one line feed."""

PUT: Final = """
local held = redis.call('GETRANGE', KEYS[1], 0, 25)
if #held == 26 then
  local generation, version = tonumber(string.sub(held, 1, 10)), tonumber(string.sub(held, 11, 26))
  local new_generation, new_version = tonumber(ARGV[1]), tonumber(ARGV[2])
  if new_generation < generation or (new_generation == generation and new_version < version) then return 0 end
end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
return 1
"""
"""KEYS: key. ARGV: generation, version, header and value, lifetime in ms. Stores unless something newer is there."""

INVALIDATE: Final = """
local held = redis.call('GETRANGE', KEYS[1], 0, 25)
if #held == 26 then
  local generation, version = tonumber(string.sub(held, 1, 10)), tonumber(string.sub(held, 11, 26))
  local new_generation, new_version = tonumber(ARGV[1]), tonumber(ARGV[2])
  if new_generation < generation or (new_generation == generation and new_version <= version) then return 0 end
end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
return 1
"""
"""The same arguments. Replaces what is older by a tombstone; a value of this very version stays."""

TAKE: Final = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local due = tonumber(redis.call('GET', KEYS[1]) or now)
if due < now then due = now end
local wait = due + interval - burst * interval - now
if wait > 0 then return math.ceil(wait) end
redis.call('SET', KEYS[1], string.format('%.3f', due + interval), 'PX', math.ceil(due + interval - now) + 1000)
return 0
"""
"""KEYS: bucket. ARGV: ms per call, burst. Returns 0 for a call that is let through, else ms to wait (GCRA)."""
