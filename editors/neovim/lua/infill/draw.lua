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

---Draw `chunks` over a range of the buffer, in whose place they are to come: its own text is hidden,
---what stands after it moves on.
---@param bufnr integer
---@param namespace integer
---@param range { [1]: integer, [2]: integer, [3]: integer, [4]: integer } row and byte, twice
---@param chunks infill.Chunk[]
---@param ids integer[] extmarks of the last time, changed and used again
---@return integer[] ids
function M.over(bufnr, namespace, range, chunks, ids)
  local row, column, end_row, end_column = unpack(range)
  local lines = M.lines(chunks, vim.bo[bufnr].tabstop)
  local rest = vim.api.nvim_buf_get_text(bufnr, end_row, end_column, end_row, -1, {})[1]
  local is_short = #lines == 1 and row == end_row
  if not is_short and rest ~= '' then
    table.insert(lines[#lines], { rest, 'InfillReplaced' })
  end
  local drawn = {} ---@type { [1]: integer, [2]: integer, [3]: vim.api.keyset.set_extmark }[]
  for here = row, end_row do
    local from = here == row and column or 0
    local to = is_short and end_column or -1
    local old = vim.api.nvim_buf_get_text(bufnr, here, from, here, to, {})[1]
    -- As much as the old text is wide over it, and the rest between that and what follows.
    local line = table.remove(lines, 1) or {}
    local over, behind = M.split(line, vim.fn.strdisplaywidth(old))
    local hiding = { virt_text = M.hiding(over, old), virt_text_pos = 'overlay' }
    table.insert(drawn, { here, from, hiding })
    if #behind > 0 then
      local inline = { virt_text = behind, virt_text_pos = 'inline' }
      table.insert(drawn, { here, from + #old, inline })
    end
  end
  if #lines > 0 then
    drawn[#drawn][3].virt_lines = vim.tbl_map(M.filled, lines)
  end
  local used = {} ---@type integer[]
  for index, mark in ipairs(drawn) do
    local details = vim.tbl_extend('error', mark[3], { id = ids[index], strict = false })
    used[index] = vim.api.nvim_buf_set_extmark(bufnr, namespace, mark[1], mark[2], details)
  end
  for index = #drawn + 1, #ids do
    vim.api.nvim_buf_del_extmark(bufnr, namespace, ids[index])
  end
  return used
end

---The first `width` columns of `line`, and what is left.
---@param line infill.Line
---@param width integer
---@return infill.Line first, infill.Line rest
function M.split(line, width)
  local first, rest = {}, {} ---@type infill.Line, infill.Line
  for _, chunk in ipairs(line) do
    local taken = ''
    for _, character in ipairs(vim.fn.split(chunk[1], '\\zs')) do
      local columns = vim.fn.strdisplaywidth(character)
      if #rest > 0 or columns > width then
        width = 0
        break
      end
      taken, width = taken .. character, width - columns
    end
    if taken ~= '' then
      table.insert(first, { taken, chunk[2] })
    end
    if #taken < #chunk[1] then
      table.insert(rest, { chunk[1]:sub(#taken + 1), chunk[2] })
    end
  end
  return first, rest
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
