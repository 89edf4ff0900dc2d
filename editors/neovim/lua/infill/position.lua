---Positions of the protocol, in the client's units, to bytes of a buffer and back.
local M = {}

local has_encodings = vim.fn.has('nvim-0.11') == 1

---The byte offset in `text` of `index`, counted as `encoding` does; past the end, the end.
---@param text string
---@param index integer
---@param encoding string utf-8, utf-16 or utf-32
---@return integer
function M.byte(text, index, encoding)
  if encoding == 'utf-8' then
    return math.min(index, #text)
  end
  if has_encodings then
    return vim.str_byteindex(text, encoding, index, false)
  end
  local found, byte = pcall(vim.str_byteindex, text, index, encoding == 'utf-16')
  return found and byte or #text
end

---@param text string
---@param byte integer
---@param encoding string
---@return integer
local function units(text, byte, encoding)
  if encoding == 'utf-8' then
    return byte
  end
  if has_encodings then
    return vim.str_utfindex(text, encoding, byte, false)
  end
  local utf32, utf16 = vim.str_utfindex(text, byte)
  return encoding == 'utf-16' and utf16 or utf32
end

---@param bufnr integer
---@param row integer from 0
---@return string
local function line(bufnr, row)
  return vim.api.nvim_buf_get_lines(bufnr, row, row + 1, false)[1] or ''
end

---@param bufnr integer
---@param position { line: integer, character: integer }
---@param encoding string
---@return integer row, integer column both from 0, the column in bytes
function M.in_buffer(bufnr, position, encoding)
  return position.line, M.byte(line(bufnr, position.line), position.character, encoding)
end

---@param bufnr integer
---@param row integer from 0
---@param column integer in bytes, from 0
---@param encoding string
---@return { line: integer, character: integer }
function M.in_protocol(bufnr, row, column, encoding)
  local text = line(bufnr, row)
  return { line = row, character = units(text, math.min(column, #text), encoding) }
end

---The cursor of the current window.
---@return integer row, integer column both from 0, the column in bytes
function M.cursor()
  local row, column = unpack(vim.api.nvim_win_get_cursor(0))
  return row - 1, column
end

---Text with the line ends that a buffer's lines are split at.
---@param text string
---@return string
function M.with_newlines(text)
  return (text:gsub('\r\n?', '\n'))
end

return M
