-- Every script of the mirror begins with this: its own keys are ours, and not somebody's values of another type.
-- KEYS: owner, position, rejected, events. ARGV[1]: the token of this server, ARGV[2]: how long it holds, in ms.
-- A script returns texts: a word first, `done` where it did what it was asked to.
local owner, position, rejected, events = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
for index, kind in ipairs({'string', 'hash', 'hash', 'stream'}) do
    local found = redis.call('TYPE', KEYS[index]).ok
    if found ~= 'none' and found ~= kind then
        return {'type', KEYS[index], found}
    end
end
local held = redis.call('GET', owner)
