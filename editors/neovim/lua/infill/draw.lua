---Text that is not in the buffer, drawn as if it were.
local M = {}

---@alias infill.Chunk [string, string] text and its highlight group
---@alias infill.Line infill.Chunk[]

---@param chunks infill.Chunk[] text with newlines
---@param tabstop integer
---@return infill.Line[]
function M.lines(chunks, tabstop)
  local lines = { {} } ---@type infill.Line[]
  for _, chunk in ipairs(chunks) do
    for index, part in ipairs(vim.split(chunk[1], '\n', { plain = true })) do
      if index > 1 then
        table.insert(lines, {})
      end
      if part ~= '' then
        -- Virtual text draws a tab as one cell.
        part = part:gsub('\t', (' '):rep(tabstop))
        table.insert(lines[#lines], { part, chunk[2] })
      end
    end
  end
  return lines
end

---Draw `chunks` at a place of the buffer: from there in its line, and on lines of their own below.
---What stands after the place moves on, behind the last of them; its first `covers` bytes go.
---@param bufnr integer
---@param namespace integer
---@param row integer
---@param column integer in bytes
---@param chunks infill.Chunk[]
---@param extra? { id?: integer, covers?: integer } `id`: an extmark to change
---@return integer id
function M.at(bufnr, namespace, row, column, chunks, extra)
  extra = extra or {}
  local lines = M.lines(chunks, vim.bo[bufnr].tabstop)
  local rest = vim.api.nvim_buf_get_text(bufnr, row, column, row, -1, {})[1]
  local first, position = lines[1], 'inline'
  if #lines > 1 and rest ~= '' then
    first, position = M.hiding(first, rest), 'overlay'
    table.insert(lines[#lines], { rest:sub((extra.covers or 0) + 1), 'InfillReplaced' })
  end
  return vim.api.nvim_buf_set_extmark(bufnr, namespace, row, column, {
    id = extra.id,
    virt_text = #first > 0 and first or nil,
    virt_text_pos = position,
    virt_lines = #lines > 1 and vim.tbl_map(M.filled, vim.list_slice(lines, 2)) or nil,
    hl_mode = 'combine',
    strict = false,
  })
end

---`line` with blanks after it as far as `rest` reaches.
---@param line infill.Line
---@param rest string
---@return infill.Line
function M.hiding(line, rest)
  local width = vim.fn.strdisplaywidth(rest)
  for _, chunk in ipairs(line) do
    width = width - vim.fn.strdisplaywidth(chunk[1])
  end
  return vim.list_extend(vim.list_slice(line), { { (' '):rep(math.max(0, width)), 'Normal' } })
end

---A virtual line has to have a chunk.
---@param line infill.Line
---@return infill.Line
function M.filled(line)
  return #line > 0 and line or { { ' ', 'Normal' } }
end

return M
