---`:checkhealth infill`
local clients = require('infill.client')
local options = require('infill.options')

local M = {}

local health = vim.health

function M.check()
  health.start('infill: Neovim')
  M.check_neovim()
  health.start('infill: options')
  M.check_options()
  health.start('infill: server')
  if M.check_command() then
    M.check_engines()
  end
  health.start('infill: this session')
  M.check_clients()
  M.check_keys()
end

function M.check_neovim()
  local version = tostring(vim.version())
  if vim.fn.has('nvim-0.10') == 0 then
    health.error(('Neovim %s is too old'):format(version), 'install 0.10 or later')
    return
  end
  local who = options.uses_builtin() and "Neovim's own inline completion" or 'this plugin'
  if options.get().inline == false then
    health.info('ghost text is switched off by the option `inline`')
  else
    health.ok(('Neovim %s, ghost text by %s'):format(version, who))
  end
end

function M.check_options()
  local unknown = options.unknown()
  for _, name in ipairs(unknown) do
    health.warn(('there is no option `%s`'):format(name), ':help infill-options lists them')
  end
  local chosen = options.get()
  if chosen.inline == 'builtin' and not options.uses_builtin() then
    health.warn('`inline` is "builtin", and this Neovim has none', 'leave it at "auto"')
  end
  if #unknown == 0 then
    health.ok(next(chosen.settings) and 'settings: ' .. vim.inspect(chosen.settings) or 'defaults')
  end
end

---@return boolean whether it runs
function M.check_command()
  local command = options.get().cmd
  if vim.fn.executable(command[1]) == 0 then
    health.error(('%s is not there'):format(command[1]), {
      'install it from the release file: uv tool install /path/to/infill_ls-VERSION-py3-none-any.whl',
      'or from a checkout: uv tool install /path/to/infill-ls (pipx install does the same)',
      "or name it: require('infill').setup({ cmd = { '/path/to/infill-ls' } })",
    })
    return false
  end
  local result = M.run('--version')
  if result.code ~= 0 then
    local fault = ('%s --version ended with code %d'):format(command[1], result.code)
    health.error(fault, vim.trim(result.stderr or ''))
    return false
  end
  local says = vim.trim(result.stdout)
  local fault = require('infill.version').fault(says:match('%d+%.%d+%S*'))
  if fault then
    health.warn(fault)
  else
    health.ok(('%s (%s)'):format(says, vim.fn.exepath(command[1])))
  end
  return true
end

function M.check_engines()
  local result = M.run('engine', 'status')
  local words = vim.trim((result.stdout or '') .. (result.stderr or ''))
  if result.code == 0 then
    health.info(words)
  else
    health.warn(words)
  end
end

---@param ... string
---@return vim.SystemCompleted
function M.run(...)
  local arguments = { ... }
  local found, result = pcall(function()
    return vim.system(options.cli(unpack(arguments)), { text = true }):wait(20000)
  end)
  return found and result or { code = -1, signal = 0, stdout = '', stderr = tostring(result) }
end

function M.check_clients()
  local all = clients.all()
  if #all == 0 then
    local types = table.concat(options.get().filetypes, ', ')
    health.info('no server runs: it starts with a file of one of these types: ' .. types)
    return
  end
  for _, client in ipairs(all) do
    local buffers = vim.tbl_keys(client.attached_buffers)
    local report = require('infill.status').report(buffers[1])
    local where = ('%s (client %d, %d files)'):format(report, client.id, #buffers)
    if report:find('infill: failed', 1, true) then
      health.error(where, 'once that is mended, `:Infill restart`')
    else
      health.ok(where)
    end
  end
  if #all > 1 then
    health.info('one server per project: they share one engine and its memory')
  end
end

---A plugin without keys is a plugin nobody can accept anything from.
function M.check_keys()
  for _, map in ipairs(vim.api.nvim_get_keymap('i')) do
    local target = map.rhs or ''
    local is_plug = vim.startswith(map.lhs, '<Plug>')
    if
      not is_plug and (target:find('infill', 1, true) or (map.desc or ''):find('infill', 1, true))
    then
      health.ok(('insert mode: %s is %s'):format(map.lhs, target ~= '' and target or map.desc))
      return
    end
  end
  health.info('no key of insert mode names infill: |infill-mappings| has examples to accept with')
end

return M
