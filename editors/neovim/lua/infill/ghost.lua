---Ghost text: what is suggested at the cursor, and what the user's keys do with it.
---
---Where Neovim has inline completion of its own (0.12), that asks and draws; we note its answers as
---they pass, since it would insert them where they no longer belong. Where it has none we ask and
---draw ourselves, and so we do everywhere once a key of ours has changed what is shown.
local builtin = require('infill.builtin')
local clients = require('infill.client')
local draw = require('infill.draw')
local options = require('infill.options')
local pieces = require('infill.pieces')
local position = require('infill.position')

local M = {}

---@class infill.Item
---@field text string what would stand from `row` and `column` on
---@field row integer from 0
---@field column integer in bytes
---@field before string the line up to there
---@field covers string what `text` replaces

---@class infill.Here
---@field bufnr integer
---@field tick integer the buffer's changedtick
---@field row integer from 0
---@field column integer in bytes

---@class infill.Suggestion
---@field bufnr integer
---@field items infill.Item[]
---@field index integer the item that is shown
---@field is_ours boolean drawn by us

local INLINE = 'textDocument/inlineCompletion'
local INVOKED, AUTOMATIC = 1, 2
-- A key moves the cursor and changes the text: one request is enough for both. In ms.
local SOON = 5

local namespace = vim.api.nvim_create_namespace('infill.ghost')

---@type infill.Suggestion?
local shown
---@type infill.Here?
local asked_at

---@param bufnr integer
function M.attach(bufnr)
  if options.get().inline == false then
    return
  end
  local is_builtin = options.uses_builtin()
  if is_builtin then
    builtin.enable(bufnr)
  end
  local group = vim.api.nvim_create_augroup('infill.ghost.' .. bufnr, {})
  vim.api.nvim_create_autocmd({ 'InsertEnter', 'CursorMovedI', 'TextChangedI', 'TextChangedP' }, {
    group = group,
    buffer = bufnr,
    callback = function()
      M.redraw()
      if not is_builtin then
        M.ask_soon()
      end
    end,
  })
  vim.api.nvim_create_autocmd({ 'InsertLeave', 'BufLeave' }, {
    group = group,
    buffer = bufnr,
    callback = M.forget,
  })
end

---The text that is suggested at the cursor now, less what has been typed of it.
---@return string? rest, infill.Item? item
function M.current()
  if not shown or shown.bufnr ~= vim.api.nvim_get_current_buf() or not M.is_inserting() then
    return
  end
  local item = shown.items[shown.index]
  local row, column = position.cursor()
  if row < item.row or (row == item.row and column < item.column) then
    return
  end
  local first = vim.api.nvim_buf_get_lines(shown.bufnr, item.row, item.row + 1, false)[1]
  if not first or first:sub(1, item.column) ~= item.before then
    return
  end
  local typed = vim.api.nvim_buf_get_text(shown.bufnr, item.row, item.column, row, column, {})
  local text = table.concat(typed, '\n')
  local line = vim.api.nvim_get_current_line()
  if
    not vim.startswith(item.text, text) or not vim.startswith(line:sub(column + 1), item.covers)
  then
    return
  end
  local rest = item.text:sub(#text + 1)
  if rest ~= '' and rest ~= item.covers then
    return rest, item
  end
end

---@return boolean
function M.is_inserting()
  return vim.startswith(vim.api.nvim_get_mode().mode, 'i')
end

---Accept a piece of the suggestion.
---@param piece? infill.Piece
---@return boolean whether there was one
function M.accept(piece)
  local rest, item = M.current()
  if not rest or not item then
    return false
  end
  local done, fault = pcall(M.insert, pieces.first(rest, piece or 'all'), rest, item.covers)
  if not done and tostring(fault):find('E565') then
    -- The text may not change in an <expr> mapping.
    vim.schedule(function()
      M.accept(piece)
    end)
  elseif not done then
    error(fault, 0)
  end
  return true
end

---@param text string
---@param rest string
---@param covers string
function M.insert(text, rest, covers)
  local row, column = position.cursor()
  local is_all = text == rest
  local lines = vim.split(text, '\n', { plain = true })
  vim.cmd('let &l:undolevels = &l:undolevels') -- undo takes back no more than this
  local until_column = column + (is_all and #covers or 0)
  vim.api.nvim_buf_set_text(0, row, column, row, until_column, lines)
  local start = #lines == 1 and column or 0
  vim.api.nvim_win_set_cursor(0, { row + #lines, start + #lines[#lines] })
  M.take_over()
  if is_all then
    shown = nil
  end
  M.redraw()
  M.ask_soon()
end

---Show another suggestion for the same place, if the server has one.
---@param step integer 1 for the next, -1 for the one before
---@return boolean whether anything is suggested
function M.select(step)
  if not M.current() or not shown then
    return false
  end
  M.take_over()
  if #shown.items > 1 then
    shown.index = (shown.index - 1 + step) % #shown.items + 1
    M.redraw()
  else
    M.ask(INVOKED, step)
  end
  return true
end

---Hide the suggestion.
---@return boolean whether there was one
function M.dismiss()
  local was_there = M.current() ~= nil
  M.take_over()
  M.forget()
  return was_there
end

---Ask for a suggestion by hand, which fewer things silence.
---@return boolean whether somebody could be asked
function M.suggest()
  M.take_over()
  return M.ask(INVOKED)
end

---From here on we draw, until Neovim has an answer of its own.
function M.take_over()
  if options.uses_builtin() then
    builtin.stop()
  end
  if shown then
    shown.is_ours = true
  end
end

---Nothing is suggested, and nothing that is on its way will be.
function M.forget()
  shown, asked_at = nil, nil
  M.redraw()
  for _, client in ipairs(clients.all()) do
    for id, request in pairs(client.requests) do
      if request.method == INLINE and request.type == 'pending' then
        clients.call(client, 'cancel_request', id)
      end
    end
  end
end

function M.redraw()
  local rest, item = M.current()
  local bufnr = shown and shown.bufnr or 0
  vim.api.nvim_buf_clear_namespace(bufnr, namespace, 0, -1)
  if not rest or not item or not shown then
    builtin.hide()
  elseif shown.is_ours and not M.is_popup_chosen() then
    local row, column = position.cursor()
    local text, covers = rest, #item.covers
    if covers > 0 and not rest:find('\n') and vim.endswith(rest, item.covers) then
      text = rest:sub(1, -covers - 1)
    end
    local hint = #shown.items > 1 and (' (%d/%d)'):format(shown.index, #shown.items) or ''
    local chunks = { { text, 'InfillGhost' }, { hint, 'InfillProgress' } }
    draw.at(shown.bufnr, namespace, row, column, chunks, { covers = covers })
  end
end

---@return boolean
function M.is_popup_chosen()
  return vim.fn.pumvisible() == 1 and vim.fn.complete_info({ 'selected' }).selected >= 0
end

---Once the events of a key are through, unless that has been done for this very place and text.
function M.ask_soon()
  vim.defer_fn(function()
    if M.is_inserting() and not vim.deep_equal(M.here(), asked_at) then
      M.ask(AUTOMATIC)
    end
  end, SOON)
end

---@return infill.Here
function M.here()
  local bufnr = vim.api.nvim_get_current_buf()
  local row, column = position.cursor()
  local tick = vim.api.nvim_buf_get_changedtick(bufnr)
  return { bufnr = bufnr, tick = tick, row = row, column = column }
end

---@param kind integer
---@param step? integer of the answers, show that many further than the first
---@return boolean
function M.ask(kind, step)
  local client = clients.of(0)
  if not client or not M.is_inserting() then
    return false
  end
  local here = M.here()
  local bufnr = here.bufnr
  asked_at = here
  local params = {
    textDocument = { uri = vim.uri_from_bufnr(bufnr) },
    position = position.in_protocol(bufnr, here.row, here.column, client.offset_encoding),
    context = { triggerKind = kind },
  }
  local function show(_, result)
    M.show(client, bufnr, result.items, true)
    if shown and step and #shown.items > 1 then
      shown.index = step % #shown.items + 1
      M.redraw()
    end
  end
  builtin.after_stop(function()
    clients.call(client, 'request', INLINE, params, show, bufnr)
  end)
  return true
end

---What stands between an answer and `handler`: neither an error nor what is out of date passes,
---and null becomes an empty list, which Neovim hides the last one for.
---@param client vim.lsp.Client
---@param handler? lsp.Handler
---@return lsp.Handler
function M.on_answer(client, handler)
  local begun = vim.uv.hrtime()
  local here = M.here()

  return function(err, result, context)
    local is_current = M.is_inserting() and vim.deep_equal(M.here(), here)
    if err or not is_current then
      return
    end
    local items = result and result ~= vim.NIL and (result.items or result) or {}
    for _, item in ipairs(items) do
      item.insertText = position.with_newlines(item.insertText)
    end
    if #items > 0 then
      require('infill.status').last_answer = (vim.uv.hrtime() - begun) / 1e6
    end
    M.show(client, here.bufnr, items, false)
    if handler then
      return handler(nil, { items = items }, context)
    end
  end
end

---@param client vim.lsp.Client
---@param bufnr integer
---@param items lsp.InlineCompletionItem[]
---@param is_ours boolean
function M.show(client, bufnr, items, is_ours)
  local ours = vim.tbl_map(function(item)
    return M.item(client, bufnr, item)
  end, items)
  shown = #ours > 0 and { bufnr = bufnr, items = ours, index = 1, is_ours = is_ours } or nil
  M.redraw()
end

---@param client vim.lsp.Client
---@param bufnr integer
---@param item lsp.InlineCompletionItem
---@return infill.Item
function M.item(client, bufnr, item)
  local encoding = client.offset_encoding
  local row, column = position.in_buffer(bufnr, item.range.start, encoding)
  local last_row, last_column = position.in_buffer(bufnr, item.range['end'], encoding)
  local covers = vim.api.nvim_buf_get_text(bufnr, row, column, last_row, last_column, {})
  return {
    text = item.insertText,
    row = row,
    column = column,
    before = vim.api.nvim_buf_get_text(bufnr, row, 0, row, column, {})[1],
    covers = table.concat(covers, '\n'),
  }
end

return M
