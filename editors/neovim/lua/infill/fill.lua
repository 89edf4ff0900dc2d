---The server's code actions as commands, for keys and `:Infill`.
local clients = require('infill.client')
local position = require('infill.position')

local M = {}

---@alias infill.What 'gap'|'holes'|'body'|'docstring'|'todo'|'selection'

---@type table<infill.What, string>
M.COMMANDS = {
  gap = 'infill.fillGap',
  holes = 'infill.fillHoles',
  body = 'infill.fillBody',
  docstring = 'infill.writeDocstring',
  todo = 'infill.doTodo',
  selection = 'infill.rewriteSelection',
}

---@alias infill.Range [integer, integer, integer, integer] row and byte column, twice, from 0

---@param what infill.What
---@param range? infill.Range default: the cursor, or what is selected
function M.run(what, range)
  local client = clients.of(0)
  if not client then
    vim.notify(require('infill.status').report(0), vim.log.levels.WARN)
    return
  end
  local bufnr = vim.api.nvim_get_current_buf()
  local row, column, end_row, end_column = unpack(range or M.selected() or M.at_cursor())
  local function point(line, byte)
    local place = position.in_protocol(bufnr, line, byte, client.offset_encoding)
    return { place.line, place.character }
  end
  local argument = {
    uri = vim.uri_from_bufnr(bufnr),
    start = point(row, column),
    ['end'] = point(end_row, end_column),
  }
  local params = { command = M.COMMANDS[what], arguments = { argument } }
  clients.call(client, 'request', 'workspace/executeCommand', params, M.answered, bufnr)
end

---@param err? lsp.ResponseError
function M.answered(err)
  if err then
    vim.notify('infill: ' .. err.message, vim.log.levels.WARN)
  end
end

---The cursor; on the last character of a line in normal mode, behind it: it cannot get there.
---@return infill.Range
function M.at_cursor()
  local row, column = position.cursor()
  local line = vim.api.nvim_get_current_line()
  local is_last = #line > 0 and column + #vim.fn.matchstr(line:sub(column + 1), '.') == #line
  if is_last and vim.api.nvim_get_mode().mode:match('^n') then
    column = #line
  end
  return { row, column, row, column }
end

---What is selected in visual mode, which ends with it.
---@return infill.Range?
function M.selected()
  local mode = vim.api.nvim_get_mode().mode
  if not mode:match('^[vV\22]') then
    return nil
  end
  vim.cmd.normal({ vim.keycode('<Esc>'), bang = true })
  return M.last_selected(mode == 'v')
end

---What was selected last: by character, or whole lines.
---@param by_character boolean
---@return infill.Range
function M.last_selected(by_character)
  local row, column = unpack(vim.api.nvim_buf_get_mark(0, '<'))
  local end_row, end_column = unpack(vim.api.nvim_buf_get_mark(0, '>'))
  local last = vim.api.nvim_buf_get_lines(0, end_row - 1, end_row, false)[1] or ''
  if not by_character then
    return { row - 1, 0, end_row - 1, #last }
  end
  local width = #vim.fn.matchstr(last:sub(end_column + 1), '.')
  return { row - 1, column, end_row - 1, math.min(end_column + width, #last) }
end

return M
