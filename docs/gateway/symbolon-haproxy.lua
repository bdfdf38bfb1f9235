-- Asks Symbolon about a request of HAProxy; see haproxy.cfg.
local symbolon = "http://127.0.0.1:8080/symbolon/verify/ecology"
local milliseconds = 5000
local told = {
    "x-auth-account", "x-auth-subject", "x-auth-name", "x-auth-identities",
    "x-auth-groups", "x-auth-scope", "x-auth-grant", "x-auth-expires",
    -- With upstream_token: mint or none, add "authorization" and "cookie".
}

-- The lines of a header as a list that counts from 1.
local function lines(headers, name)
    local all = {}
    local have = headers[name]
    if have then
        for i = 0, #have do all[#all + 1] = have[i] end
    end
    return all
end

local function refuse(txn, status, answer)
    local reply = txn:reply { status = status }
    if answer then
        for _, name in ipairs { "content-type", "www-authenticate", "retry-after", "cache-control" } do
            for _, value in pairs(answer.headers[name] or {}) do reply:add_header(name, value) end
        end
        reply:set_body(answer.body or "")
    end
    txn:done(reply)
end

core.register_action("symbolon", { "http-req" }, function(txn)
    local given = txn.http:req_get_headers()
    local asked = {
        ["x-original-uri"] = { txn.f:url() },
        ["x-original-method"] = { txn.f:method() },
        ["x-forwarded-for"] = { txn.f:src() },
    }
    for _, name in ipairs { "authorization", "cookie", "accept" } do
        local have = lines(given, name)
        if #have > 0 then asked[name] = have end
    end
    local done, answer = pcall(function()
        return core.httpclient():get { url = symbolon, headers = asked, timeout = milliseconds }
    end)
    if not done or not answer or not answer.headers then return refuse(txn, 503) end
    if answer.status == 401 or answer.status == 403 or answer.status == 429 then
        return refuse(txn, answer.status, answer)
    end
    if answer.status ~= 200 then return refuse(txn, 503) end
    for _, name in ipairs(told) do
        local value
        for _, v in pairs(answer.headers[name] or {}) do value = v end
        if value == nil then return refuse(txn, 503) end
        if value == "" then
            txn.http:req_del_header(name)
        else
            txn.http:req_set_header(name, value)
        end
    end
end)
