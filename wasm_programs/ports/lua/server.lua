-- A key-value server in Lua over luasocket: one select loop, coroutines per client, a journal in a file.
local socket = require("socket")
local port, journal = tonumber(arg[1]), arg[2]

local store, count = {}, 0
local function set(key, value)
    if store[key] == nil then count = count + 1 end
    store[key] = value
end
for line in io.lines(journal) do
    local key, value = line:match("^(%S+) (.*)$")
    set(key, value)
end
local out = assert(io.open(journal, "a"))

local commands = {
    set = function(rest)
        local key, value = rest:match("^(%S+) (.*)$")
        if not key then error("usage: set KEY VALUE", 0) end
        out:write(key, " ", value, "\n")
        out:flush()
        set(key, value)
        return "ok"
    end,
    get = function(key) return store[key] or error({ missing = key }) end,
    count = function() return tostring(count) end,
    eval = function(code)
        local chunk, problem = load("return " .. code, "=eval", "t", { string = string, math = math, table = table, tostring = tostring, pcall = pcall, error = error, select = select, os = { time = os.time }, coroutine = coroutine, utf8 = utf8 })
        return tostring(assert(chunk, problem)())
    end,
}

local function answer(line)
    local name, rest = line:match("^(%S*) ?(.*)$")
    local command = commands[name]
    if not command then return "error unknown command" end
    local fine, result = pcall(command, rest)
    if fine then return result end
    return "error " .. (type(result) == "table" and "no key " .. result.missing or result)
end

local function serve(client)
    return coroutine.create(function()
        while true do
            local line, problem, part = client:receive("*l")
            while problem == "timeout" do
                coroutine.yield()
                line, problem, part = client:receive("*l", part)
            end
            if not line then return end
            local sent, reply = 0, answer(line) .. "\n"
            repeat
                local last, trouble, partly = client:send(reply, sent + 1)
                sent = last or partly
                if trouble == "closed" then return end
                if trouble then coroutine.yield() end
            until sent == #reply
        end
    end)
end

local listener = assert(socket.bind("0.0.0.0", port))
listener:settimeout(0)
print("listening on port " .. port)
local clients, routines = { listener }, {}
while true do
    for _, ready in ipairs((socket.select(clients))) do
        if ready == listener then
            local client = listener:accept()
            if client then
                client:settimeout(0)
                table.insert(clients, client)
                routines[client] = serve(client)
            end
        else
            coroutine.resume(routines[ready])
            if coroutine.status(routines[ready]) == "dead" then
                ready:close()
                routines[ready] = nil
                for i = 2, #clients do
                    if clients[i] == ready then table.remove(clients, i) break end
                end
            end
        end
    end
end
