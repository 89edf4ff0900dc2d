---The language client: its configuration, its start and its end, on Neovim 0.10 and later alike.
local options = require('infill.options')

local M = {}

M.NAME = 'infill'

local is_dotted = vim.fn.has('nvim-0.11') == 0
local has_config = vim.lsp.config ~= nil

-- How often a client that ends is looked at, and how often until it is made to end, in ms.
local LOOK, LOOKS = 50, 40

---For `vim.lsp.start`, and behind `vim.lsp.config('infill', ...)` where that exists.
---@return vim.lsp.ClientConfig
function M.config()
  local chosen = options.get()
  return {
    name = M.NAME,
    cmd = chosen.cmd,
    filetypes = chosen.filetypes,
    root_markers = chosen.root_markers,
    settings = next(chosen.settings) and { infill = chosen.settings } or nil,
    init_options = { drafts = chosen.canvas, status = true },
    before_init = M.tell_what_we_can,
    on_init = M.compare_versions,
    on_exit = M.ended,
    handlers = {
      ['infill/draft'] = require('infill.canvas').on_draft,
      ['infill/status'] = require('infill.status').on_status,
    },
  }
end

---Have every server of ours watched, whatever `on_attach` a user gives it.
function M.define()
  vim.api.nvim_create_autocmd('LspAttach', {
    group = vim.api.nvim_create_augroup('infill.attach', {}),
    callback = function(event)
      local client = vim.lsp.get_client_by_id(event.data.client_id)
      if client and client.name == M.NAME then
        require('infill.requests').watch(client)
        require('infill.ghost').attach(event.buf)
        require('infill.keys').attach(event.buf)
      end
    end,
  })
end

---Settings go along with `initialize`, so that the right model loads first.
---@param params lsp.InitializeParams
---@param config vim.lsp.ClientConfig
function M.tell_what_we_can(params, config)
  local settings = (config.settings or {}).infill
  if settings and next(settings) then
    params.initializationOptions =
      vim.tbl_extend('force', params.initializationOptions or {}, { infill = settings })
  end
  local shows_ghosts = options.get().inline ~= false
  params.capabilities.textDocument.inlineCompletion = shows_ghosts
      and { dynamicRegistration = false }
    or nil
end

---@param _ vim.lsp.Client
---@param result lsp.InitializeResult
function M.compare_versions(_, result)
  local fault = require('infill.version').fault((result.serverInfo or {}).version)
  if fault then
    vim.schedule(function()
      vim.notify('infill: ' .. fault, vim.log.levels.WARN)
    end)
  end
end

---Start the server for the files that are open and those that will be.
function M.enable()
  if has_config then
    vim.lsp.config(M.NAME, {}) -- forgets what was made of older options
    vim.lsp.enable(M.NAME)
    return
  end
  local group = vim.api.nvim_create_augroup('infill.start', {})
  vim.api.nvim_create_autocmd('FileType', {
    group = group,
    callback = function(event)
      M.start_in(event.buf)
    end,
  })
  for _, bufnr in ipairs(vim.api.nvim_list_bufs()) do
    if vim.api.nvim_buf_is_loaded(bufnr) then
      M.start_in(bufnr)
    end
  end
end

---@param bufnr integer
function M.start_in(bufnr)
  local config = M.config()
  local is_ours = vim.tbl_contains(config.filetypes, vim.bo[bufnr].filetype)
  if vim.bo[bufnr].buftype ~= '' or not is_ours then
    return
  end
  config.root_dir = vim.fs.root(bufnr, config.root_markers)
  vim.lsp.start(config, { bufnr = bufnr, reuse_client = M.serves })
end

---One server for each project, and one for the files of none.
---@param client vim.lsp.Client
---@param config vim.lsp.ClientConfig
---@return boolean
function M.serves(client, config)
  return client.name == config.name and client.config.root_dir == config.root_dir
end

---End every server of ours, and start none for files to come.
function M.disable()
  if has_config then
    vim.lsp.enable(M.NAME, false)
  else
    vim.api.nvim_create_augroup('infill.start', {})
  end
  for _, client in ipairs(M.all()) do
    if not M.call(client, 'is_stopped') then
      M.call(client, 'stop')
    end
  end
end

---End the servers and start them anew for the same files.
function M.restart()
  local clients = M.all()
  M.disable()
  M.when_ended(clients, M.enable)
end

---@param clients vim.lsp.Client[]
---@param go_on fun()
function M.when_ended(clients, go_on)
  local looks = 0
  local function look()
    looks = looks + 1
    local alive = vim.tbl_filter(function(client)
      return vim.lsp.get_client_by_id(client.id) ~= nil
    end, clients)
    if #alive == 0 then
      go_on()
      return
    end
    if looks == LOOKS then
      for _, client in ipairs(alive) do
        M.call(client, 'stop', true)
      end
    end
    vim.defer_fn(look, LOOK)
  end
  look()
end

---@param bufnr? integer
---@return vim.lsp.Client[]
function M.all(bufnr)
  return vim.lsp.get_clients({ name = M.NAME, bufnr = bufnr })
end

---The client that serves `bufnr`.
---@param bufnr? integer 0 or nothing for the current buffer
---@return vim.lsp.Client?
function M.of(bufnr)
  if not bufnr or bufnr == 0 then
    bufnr = vim.api.nvim_get_current_buf()
  end
  return M.all(bufnr)[1]
end

---A method of the client: a function of its own on 0.10, a method proper from 0.11 on.
---@param client vim.lsp.Client
---@param method string
---@return any ...
function M.call(client, method, ...)
  if is_dotted then
    return client[method](...)
  end
  return client[method](client, ...)
end

---Change settings of every server, from now on.
---@param changes table<string, any>
function M.change_settings(changes)
  for _, client in ipairs(M.all()) do
    local settings = client.settings or {}
    settings.infill = vim.tbl_extend('force', settings.infill or {}, changes)
    client.settings = settings
    M.call(client, 'notify', 'workspace/didChangeConfiguration', { settings = settings })
  end
end

---@param code integer
---@param signal integer
---@param client_id integer
function M.ended(code, signal, client_id)
  vim.schedule(function()
    require('infill.requests').forget(client_id)
    require('infill.status').forget(client_id)
    if (code ~= 0 or signal ~= 0) and signal ~= 15 then
      local how = signal ~= 0 and ('was killed by signal %d'):format(signal)
        or ('ended with code %d'):format(code)
      local message =
        'infill: the server %s; `:Infill restart` starts it anew, `:Infill log` says more'
      vim.notify(message:format(how), vim.log.levels.ERROR)
    end
  end)
end

return M
