---`:Infill`: one command, its subcommands in a table.
local options = require('infill.options')

local M = {}

---@class infill.Subcommand
---@field says string
---@field run fun(arguments: string[], command: vim.api.keyset.create_user_command.command_args)
---@field complete? fun(): string[]

local function infill()
  return require('infill')
end

---Run `infill-ls ...` and show what it prints in a window of its own.
---@param ... string
local function show_output(...)
  local command = options.cli(...)
  local title = table.concat({ 'infill-ls', ... }, ' ')
  local started, fault = pcall(vim.system, command, { text = true }, function(result)
    vim.schedule(function()
      local output = result.stdout ~= '' and result.stdout or result.stderr or ''
      M.show(title, vim.split(vim.trim(output), '\n'))
    end)
  end)
  if not started then
    local message = 'infill: cannot run %s: %s; set the option `cmd` or `cli`'
    vim.notify(message:format(command[1], fault), vim.log.levels.ERROR)
  end
end

---@param what infill.What
---@return fun(arguments: string[], command: table)
local function filler(what)
  return function(_, command)
    local range ---@type infill.Range?
    if command.range > 0 then
      range = M.range_of(command)
    end
    require('infill.fill').run(what, range)
  end
end

---@param names string[]
---@return fun(): string[]
local function words(names)
  return function()
    return names
  end
end

---@type table<string, infill.Subcommand>
M.SUBCOMMANDS = {
  accept = {
    says = 'accept the suggestion: all, word or line (in a mapping of insert mode)',
    run = function(arguments)
      infill().accept(arguments[1])
    end,
    complete = words({ 'all', 'word', 'line' }),
  },
  next = {
    says = 'show the next suggestion',
    run = function()
      infill().select(1)
    end,
  },
  previous = {
    says = 'show the suggestion before',
    run = function()
      infill().select(-1)
    end,
  },
  dismiss = {
    says = 'hide the suggestion',
    run = function()
      infill().dismiss()
    end,
  },
  suggest = {
    says = 'ask for a suggestion',
    run = function()
      infill().suggest()
    end,
  },
  fill = { says = 'fill the gap at the cursor', run = filler('gap') },
  holes = { says = 'fill all holes around the cursor', run = filler('holes') },
  body = { says = 'write the body of the function', run = filler('body') },
  docstring = { says = 'write the documentation of the function', run = filler('docstring') },
  todo = { says = 'do what the TODO says', run = filler('todo') },
  rewrite = { says = 'write the selected lines anew', run = filler('selection') },
  cancel = {
    says = 'stop what is being filled',
    run = function()
      infill().cancel()
    end,
  },
  pause = {
    says = 'fill nothing, and free the memory of the model',
    run = function()
      M.tell_servers('infill.pause')
    end,
  },
  resume = {
    says = 'go on after a pause',
    run = function()
      M.tell_servers('infill.resume')
    end,
  },
  manual = {
    says = 'show suggestions only when asked',
    run = function()
      require('infill.client').change_settings({ trigger = 'manual' })
      require('infill.status').redraw()
    end,
  },
  auto = {
    says = 'show suggestions while typing',
    run = function()
      require('infill.client').change_settings({ trigger = 'auto' })
      require('infill.status').redraw()
    end,
  },
  model = {
    says = 'take another model, or list those there are',
    run = function(arguments)
      if #arguments == 0 then
        show_output('models')
      else
        local model = vim.fn.expand(table.concat(arguments, ' '))
        require('infill.client').change_settings({ model = model })
      end
    end,
    complete = function()
      return require('infill.command').models()
    end,
  },
  status = {
    says = 'say what the server does',
    run = function()
      vim.notify(require('infill.status').report(0))
    end,
  },
  stats = {
    says = 'show what was shown, accepted and kept',
    run = function()
      show_output('stats')
    end,
  },
  doctor = {
    says = 'look for what is wrong with the engine, and how to mend it',
    run = function()
      show_output('doctor')
    end,
  },
  log = {
    says = 'show the log of the engine',
    run = function()
      show_output('engine', 'log')
    end,
  },
  start = {
    says = 'start the server',
    run = function()
      infill().start()
    end,
  },
  stop = {
    says = 'end the server',
    run = function()
      infill().stop()
    end,
  },
  restart = {
    says = 'end the server and start it anew',
    run = function()
      infill().restart()
    end,
  },
}

function M.define()
  vim.api.nvim_create_user_command('Infill', M.run, {
    nargs = '*',
    range = true,
    complete = M.complete,
    desc = 'infill-ls: fill gaps in code',
  })
end

---@param command vim.api.keyset.create_user_command.command_args
function M.run(command)
  local name = command.fargs[1] or 'status'
  local subcommand = M.SUBCOMMANDS[name]
  if not subcommand then
    local known = table.concat(M.names(), ', ')
    vim.notify(('infill: there is no :Infill %s; there is %s'):format(name, known), 4)
    return
  end
  subcommand.run(vim.list_slice(command.fargs, 2), command)
end

---@return string[]
function M.names()
  local names = vim.tbl_keys(M.SUBCOMMANDS)
  table.sort(names)
  return names
end

---@param lead string
---@param line string up to the cursor at least
---@param cursor integer
---@return string[]
function M.complete(lead, line, cursor)
  local before = vim.split(line:sub(1, cursor), '%s+')
  local choices = M.names()
  if #before > 2 then
    local subcommand = M.SUBCOMMANDS[before[2]]
    choices = subcommand and subcommand.complete and subcommand.complete() or {}
  end
  return vim.tbl_filter(function(choice)
    return vim.startswith(choice, lead)
  end, choices)
end

---The lines of a command's range; what was selected by character, if those are the lines.
---@param command vim.api.keyset.create_user_command.command_args
---@return infill.Range
function M.range_of(command)
  local first, last = vim.fn.line("'<"), vim.fn.line("'>")
  if command.range == 2 and command.line1 == first and command.line2 == last then
    return require('infill.fill').last_selected(vim.fn.visualmode() == 'v')
  end
  local text = vim.fn.getline(command.line2)
  return { command.line1 - 1, 0, command.line2 - 1, #text }
end

---Models that are on this machine. Asks the command line, which takes a moment.
---@return string[]
function M.models()
  local names = { 'embedded' }
  local found, result = pcall(function()
    return vim.system(options.cli('models', '--json'), { text = true }):wait(5000)
  end)
  local listed = found and result.code == 0 and vim.json.decode(result.stdout) or { models = {} }
  for _, model in ipairs(listed.models) do
    if model.here then
      table.insert(names, model.name)
    end
  end
  return names
end

---@param command string
function M.tell_servers(command)
  local clients = require('infill.client')
  for _, client in ipairs(clients.all()) do
    local params = { command = command, arguments = {} }
    clients.call(client, 'request', 'workspace/executeCommand', params, function(err)
      if err then
        vim.notify('infill: ' .. err.message, vim.log.levels.WARN)
      end
    end)
  end
end

---A window below with `lines`, closed with `q`.
---@param title string
---@param lines string[]
function M.show(title, lines)
  vim.cmd.new()
  local bufnr = vim.api.nvim_get_current_buf()
  vim.bo[bufnr].buftype = 'nofile'
  vim.bo[bufnr].bufhidden = 'wipe'
  vim.bo[bufnr].swapfile = false
  vim.api.nvim_buf_set_lines(bufnr, 0, -1, false, lines)
  vim.bo[bufnr].modifiable = false
  vim.api.nvim_buf_set_name(bufnr, ('%s [%d]'):format(title, bufnr))
  vim.api.nvim_win_set_height(0, math.min(#lines + 1, math.floor(vim.o.lines / 2)))
  vim.keymap.set('n', 'q', '<Cmd>close<CR>', { buffer = bufnr, desc = 'close' })
end

return M
