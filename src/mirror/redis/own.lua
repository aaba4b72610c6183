-- Takes these keys for this server, unless another one holds them; returns the position.
-- ARGV[3]: how the token of a server begins that this one may follow at once, as it was the same store; or empty.
if held and held ~= ARGV[1] and (ARGV[3] == '' or string.sub(held, 1, #ARGV[3]) ~= ARGV[3]) then
    return {'owned'}
end
redis.call('SET', owner, ARGV[1], 'PX', ARGV[2])
local known = redis.call('HMGET', position, 'history', 'sequence', 'sweeping')
return {'done', known[1] or '', known[2] or '', known[3] or '', tostring(redis.call('HLEN', rejected))}
