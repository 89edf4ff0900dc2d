---Watches what goes to our server: code actions that fill, to stop them; and ghost text that
---Neovim itself asks for, whose answers it takes without looking at what was typed meanwhile.
local M = {}

---@class infill.Action
---@field client vim.lsp.Client
---@field bufnr integer

---@type table<string, infill.Action>
local actions = {}

---@type table<integer, true> by the client's id
local watched = {}

local INLINE = 'textDocument/inlineCompletion'

---Put ourselves before `client.request`. Neovim calls it with a dot on 0.10, with a colon later.
---@param client vim.lsp.Client
function M.watch(client)
  if watched[client.id] then
    return
  end
  watched[client.id] = true
  local request = client.request
  local inline_id ---@type integer?

  ---@diagnostic disable-next-line: duplicate-set-field
  client.request = function(...)
    local is_method = select(1, ...) == client
    local method, params, handler, bufnr = select(is_method and 2 or 1, ...)

    local function send(answered)
      if is_method then
        return request(client, method, params, answered, bufnr)
      end
      return request(method, params, answered, bufnr)
    end

    if method == INLINE then
      if inline_id and client.requests[inline_id] then
        require('infill.client').call(client, 'cancel_request', inline_id)
      end
      local sent, id = send(require('infill.ghost').on_answer(client, handler))
      inline_id = sent and id or nil
      return sent, id
    end
    if not M.fills(method, params) then
      return send(handler)
    end
    return M.follow(client, bufnr, handler, send)
  end
end

---@param method string
---@param params table
---@return boolean
function M.fills(method, params)
  if method == 'codeAction/resolve' then
    return true
  end
  local command = method == 'workspace/executeCommand' and params.command or ''
  return vim.startswith(command, 'infill.')
    and command ~= 'infill.pause'
    and command ~= 'infill.resume'
end

---Send a request that fills, and know of it until it is answered.
---@param client vim.lsp.Client
---@param bufnr? integer
---@param handler? lsp.Handler
---@param send fun(handler?: lsp.Handler): boolean, integer?
---@return boolean sent, integer? id
function M.follow(client, bufnr, handler, send)
  local key ---@type string?
  handler = handler
    or client.handlers['workspace/executeCommand']
    or vim.lsp.handlers['workspace/executeCommand']
  local sent, id = send(function(err, result, context)
    M.done(key)
    if handler then
      return handler(err, result, context)
    end
  end)
  if sent and id then
    key = client.id .. ':' .. id
    if not bufnr or bufnr == 0 then
      bufnr = vim.api.nvim_get_current_buf()
    end
    actions[key] = { client = client, bufnr = bufnr }
    require('infill.canvas').begin(bufnr)
  end
  return sent, id
end

---@param key? string
function M.done(key)
  local action = key and actions[key]
  if action then
    actions[key] = nil
    require('infill.canvas').finish(action.bufnr)
  end
end

---@param client_id? integer any client, if none is given
---@return boolean
function M.are_filling(client_id)
  for _, action in pairs(actions) do
    if not client_id or action.client.id == client_id then
      return true
    end
  end
  return false
end

---Stop the fills that code actions have asked for.
---@return boolean whether there were any
function M.cancel()
  local keys = vim.tbl_keys(actions)
  for _, key in ipairs(keys) do
    local id = tonumber(key:match(':(%d+)$'))
    require('infill.client').call(actions[key].client, 'cancel_request', id)
    M.done(key) -- Neovim drops the answer to what was cancelled
  end
  if #keys > 0 then
    vim.notify('infill: stopped', vim.log.levels.INFO)
  end
  return #keys > 0
end

---The client has ended: nothing will be answered.
---@param client_id integer
function M.forget(client_id)
  watched[client_id] = nil
  for key, action in pairs(actions) do
    if action.client.id == client_id then
      M.done(key)
    end
  end
end

return M
