-- Writes rows, entries of the stream and the position. Redis runs a script alone, and writes it to its disk whole.
-- ARGV[3], ARGV[4]: the history and the sequence that the position must have, empty for none
-- ARGV[5]: rows that may be rejected, ARGV[6]: entries of the stream
-- ARGV[7], ARGV[8], ARGV[9]: history, sequence and time of the new position, empty where it stays
-- ARGV[10]: `rebuilt` where a copy of everything ends with it, `part` where some of the entries may be there already
-- Then rows: a name, then commands, each the number of its words and the words, until a number of 0; an empty name
-- ends the rows. Then entries: sequence, index, the number of words and the words; an empty sequence ends them.
if held and held ~= ARGV[1] then
    return {'owned'}
end
local known = redis.call('HMGET', position, 'history', 'sequence', 'stream_offset')
if (known[1] or '') ~= ARGV[3] or (known[2] or '') ~= ARGV[4] then
    return {'moved'}
end
-- The first write: where Redis takes none, as it is out of memory or a replica, nothing is written at all.
redis.call('SET', owner, ARGV[1], 'PX', ARGV[2])

local at = 10
local function take()
    at = at + 1
    return ARGV[at]
end

local put_aside, before = 0, redis.call('HLEN', rejected)
local name = take()
while name ~= '' do
    local wrong
    local words = tonumber(take())
    while words > 0 do
        local reply = not wrong and redis.pcall(unpack(ARGV, at + 1, at + words))
        wrong = wrong or type(reply) == 'table' and reply.err
        at = at + words
        words = tonumber(take())
    end
    if wrong then
        put_aside = put_aside + redis.call('HSET', rejected, name, wrong)
        if before + put_aside > tonumber(ARGV[5]) then
            return {'full', wrong}
        end
    elseif before > 0 then
        redis.call('HDEL', rejected, name)
    end
    name = take()
end

-- Ids of entries only grow, also over a copy of everything from a history that is shorter: consumers need not notice.
local offset = tonumber(known[3] or '0')
local function id(sequence, index)
    return string.format('%.0f-%s', tonumber(sequence) + offset, index)
end

-- The two numbers of the stream's last id.
local function last_id()
    if redis.call('EXISTS', events) == 1 then
        local info = redis.call('XINFO', 'STREAM', events)
        for index = 1, #info, 2 do
            if info[index] == 'last-generated-id' then
                local first, second = string.match(info[index + 1], '^(%d+)-(%d+)$')
                return tonumber(first), tonumber(second)
            end
        end
    end
    return -1, -1
end

-- A record that is written in parts begins anew where the mirror lost the connection amid it.
local last, last_index = -1, -1
if ARGV[10] == 'part' then
    last, last_index = last_id()
end
local sequence = take()
while sequence ~= '' do
    local index, words = take(), tonumber(take())
    local first = tonumber(sequence) + offset
    if first > last or (first == last and tonumber(index) > last_index) then
        redis.call('XADD', events, 'MAXLEN', '~', ARGV[6], id(sequence, index), unpack(ARGV, at + 1, at + words))
    end
    at = at + words
    sequence = take()
end

if ARGV[10] == 'rebuilt' then
    offset = math.max(0, last_id() + 1 - tonumber(ARGV[8]))
    redis.call('DEL', position)
    redis.call('HSET', position, 'stream_offset', string.format('%.0f', offset), 'sweeping', '1')
    redis.call('XADD', events, 'MAXLEN', '~', ARGV[6], id(ARGV[8], '1'),
        'history', ARGV[7], 'sequence', ARGV[8], 'at', ARGV[9], 'type', 'mirror_rebuilt')
end
if ARGV[7] ~= '' then
    redis.call('HSET', position, 'history', ARGV[7], 'sequence', ARGV[8], 'at', ARGV[9])
end
return {'done', tostring(put_aside), tostring(redis.call('HLEN', rejected))}
