-- Asks Symbolon about a request of Apache; see apache.conf.
local http = require "socket.http"
local socket = require "socket"

local symbolon = "http://127.0.0.1:8080/symbolon/verify/ecology"
local seconds = 5
local told = {
    "X-Auth-Account", "X-Auth-Subject", "X-Auth-Name", "X-Auth-Identities",
    "X-Auth-Groups", "X-Auth-Scope", "X-Auth-Grant", "X-Auth-Expires",
    -- With upstream_token: mint or none, add "Authorization" and "Cookie".
}

-- Names are one name to programs that put headers into variables, whatever is neither letter nor digit in them.
local function folded(name)
    return (name:lower():gsub("[^a-z0-9]", "-"))
end

local gone = { ["forwarded"] = true, ["x-rewrite-url"] = true, ["x-http-method-override"] = true, ["proxy"] = true }

local function spoofed(name)
    name = folded(name)
    for _, start in ipairs { "x-auth-", "x-forwarded-", "x-original-" } do
        if name:sub(1, #start) == start then return true end
    end
    return gone[name] or false
end

-- A header that is named in Connection would not reach the server behind: only what is needed stays there.
local function connection(value)
    local kept = {}
    for word in (value or ""):lower():gmatch("[^%s,]+") do
        if word == "close" or word == "upgrade" then kept[#kept + 1] = word end
    end
    if #kept == 0 then return nil end
    return table.concat(kept, ", ")
end

local function ask(r)
    return http.request {
        url = symbolon,
        method = "GET",
        redirect = false,
        headers = {
            ["Authorization"] = r.headers_in["Authorization"],
            ["Cookie"] = r.headers_in["Cookie"],
            ["X-Original-URI"] = r.unparsed_uri,
            ["X-Original-Method"] = r.method,
            ["X-Forwarded-For"] = r.useragent_ip,
        },
        create = function()
            local c = socket.tcp()
            c:settimeout(seconds)
            return c
        end,
    }
end

function check(r)
    local names = {}
    for name in pairs(r:headers_in_table()) do names[#names + 1] = name end
    for _, name in ipairs(names) do
        if spoofed(name) then r.headers_in[name] = nil end
    end
    r.headers_in["Connection"] = connection(r.headers_in["Connection"])
    local done, one, status, headers = pcall(ask, r)
    if not done or not one or type(status) ~= "number" then
        r:err("Symbolon does not answer: " .. tostring(status))
        return 503
    end
    if status == 401 or status == 403 or status == 429 or status == 503 then
        r.err_headers_out["WWW-Authenticate"] = headers["www-authenticate"]
        r.err_headers_out["Retry-After"] = headers["retry-after"]
        return status
    end
    if status ~= 200 then return 503 end
    for _, name in ipairs(told) do
        local value = headers[name:lower()]
        if value == nil then return 503 end
        if value == "" then value = nil end
        r.headers_in[name] = value
    end
    return apache2.OK
end
