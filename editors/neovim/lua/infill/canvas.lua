---The live canvas: while a code action fills, its drafts stand where the fill will.
local draw = require('infill.draw')
local highlight = require('infill.highlight')
local options = require('infill.options')
local position = require('infill.position')
local status = require('infill.status')

local M = {}

---@class infill.Span in characters of the text, as the client counts
---@field start integer
---@field end integer
---@field confidence number

---@class infill.Draft
---@field id integer
---@field uri string
---@field version integer
---@field hole integer from 0
---@field holes integer
---@field range lsp.Range
---@field text string
---@field step integer
---@field of integer
---@field confidence infill.Span[]
---@field done boolean
---@field note string how what is put in differs from the last draft, if it does

---@class infill.Place extmarks
---@field range integer what will be replaced
---@field text integer[] the draft
---@field progress integer?

---@class infill.Fill
---@field bufnr integer
---@field places table<integer, infill.Place> by hole

local namespace = vim.api.nvim_create_namespace('infill.canvas')

---@type table<string, infill.Fill>
local fills = {}

---@type table<integer, table> what the key meant before, by buffer
local keys = {}

---@param draft infill.Draft
---@param context lsp.HandlerContext
function M.on_draft(_, draft, context)
  local name = context.client_id .. ':' .. draft.id
  if draft.done then
    if fills[name] and draft.note ~= '' then
      vim.api.nvim_echo({ { 'infill: ' .. draft.note, 'InfillProgress' } }, false, {})
    end
    M.clear(name)
    return
  end
  local client = vim.lsp.get_client_by_id(context.client_id)
  if not client or not options.get().canvas then
    return
  end
  local is_action = require('infill.requests').are_filling(context.client_id)
  if is_action and (fills[name] or M.is_of_now(draft)) then
    M.show(name, draft, client.offset_encoding)
  end
end

---Whether the buffer is still what the server filled.
---@param draft infill.Draft
---@return boolean
function M.is_of_now(draft)
  local bufnr = vim.uri_to_bufnr(draft.uri)
  return vim.api.nvim_buf_is_loaded(bufnr) and vim.lsp.util.buf_versions[bufnr] == draft.version
end

---@param name string
---@param draft infill.Draft
---@param encoding string
function M.show(name, draft, encoding)
  local bufnr = vim.uri_to_bufnr(draft.uri)
  local fill = fills[name] or { bufnr = bufnr, places = {} }
  fills[name] = fill
  local place = fill.places[draft.hole] or M.place(bufnr, draft, encoding)
  fill.places[draft.hole] = place
  local mark = vim.api.nvim_buf_get_extmark_by_id(bufnr, namespace, place.range, { details = true })
  local range = { mark[1], mark[2], mark[3].end_row or mark[1], mark[3].end_col or mark[2] }
  place.text = draw.over(bufnr, namespace, range, M.chunks(draft, encoding), place.text)
  if draft.hole == 0 then
    place.progress = M.progress(bufnr, mark[1], draft, place.progress)
    status.on_step(draft)
  end
end

---@param bufnr integer
---@param draft infill.Draft
---@param encoding string
---@return infill.Place
function M.place(bufnr, draft, encoding)
  local row, column = position.in_buffer(bufnr, draft.range.start, encoding)
  local end_row, end_column = position.in_buffer(bufnr, draft.range['end'], encoding)
  local range = vim.api.nvim_buf_set_extmark(bufnr, namespace, row, column, {
    end_row = end_row,
    end_col = end_column,
    hl_group = 'InfillReplaced',
    strict = false,
  })
  return { range = range, text = {} }
end

---@param bufnr integer
---@param row integer
---@param draft infill.Draft
---@param id? integer
---@return integer id
function M.progress(bufnr, row, draft, id)
  local key = options.get().cancel_key
  local how = key and (', %s stops'):format(key) or ''
  local words = ('  step %d of %d%s'):format(draft.step, draft.of, how)
  return vim.api.nvim_buf_set_extmark(bufnr, namespace, row, 0, {
    id = id,
    virt_text = { { words, 'InfillProgress' } },
    virt_text_pos = 'eol',
  })
end

---The draft, each part in the colour of how sure the model is of it.
---@param draft infill.Draft
---@param encoding string
---@return infill.Chunk[]
function M.chunks(draft, encoding)
  local chunks = {} ---@type infill.Chunk[]
  local done = 0
  local function add(until_byte, group)
    if until_byte > done then
      local part = position.with_newlines(draft.text:sub(done + 1, until_byte))
      table.insert(chunks, { part, group })
      done = until_byte
    end
  end
  for _, span in ipairs(draft.confidence) do
    add(position.byte(draft.text, span.start, encoding), 'InfillGhost')
    add(position.byte(draft.text, span['end'], encoding), highlight.of(span.confidence))
  end
  add(#draft.text, 'InfillGhost')
  return #chunks > 0 and chunks or { { '…', 'InfillUnsure' } }
end

---@param name string
function M.clear(name)
  local fill = fills[name]
  if not fill then
    return
  end
  fills[name] = nil
  if vim.api.nvim_buf_is_valid(fill.bufnr) then
    for _, place in pairs(fill.places) do
      for _, id in pairs(vim.list_extend({ place.range, place.progress }, place.text)) do
        vim.api.nvim_buf_del_extmark(fill.bufnr, namespace, id)
      end
    end
  end
  status.on_step(nil)
end

---A code action begins to fill in `bufnr`: a key stops it.
---@param bufnr integer
function M.begin(bufnr)
  local key = options.get().cancel_key
  if not key or keys[bufnr] then
    return
  end
  local before = vim.api.nvim_buf_call(bufnr, function()
    return vim.fn.maparg(key, 'n', false, true)
  end)
  keys[bufnr] = { key = key, before = before.buffer == 1 and before or nil }
  vim.keymap.set('n', key, function()
    require('infill.requests').cancel()
  end, { buffer = bufnr, nowait = true, desc = 'infill: stop filling' })
end

---It has ended, in whatever way.
---@param bufnr integer
function M.finish(bufnr)
  local requests = require('infill.requests')
  if requests.are_filling() then
    return
  end
  for name, fill in pairs(fills) do
    if fill.bufnr == bufnr then
      M.clear(name)
    end
  end
  for buffer, key in pairs(keys) do
    keys[buffer] = nil
    if vim.api.nvim_buf_is_valid(buffer) then
      pcall(vim.keymap.del, 'n', key.key, { buffer = buffer })
      if key.before then
        vim.api.nvim_buf_call(buffer, function()
          vim.fn.mapset('n', false, key.before)
        end)
      end
    end
  end
end

return M
