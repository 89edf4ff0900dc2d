---How much of a suggestion one key accepts.
local M = {}

---@alias infill.Piece 'all'|'word'|'line'

-- Bytes from 128 on belong to letters beyond ASCII.
local WORD = '^%s*[%w_\128-\255]+'
local MARKS = '^%s*[^%w_%s\128-\255]+'

---The beginning of `text` that `piece` stands for; never empty unless `text` is.
---@param text string
---@param piece infill.Piece
---@return string
function M.first(text, piece)
  if piece == 'word' then
    return text:match(WORD) or text:match(MARKS) or text
  end
  if piece == 'line' then
    return text:match('^\n*[^\n]+') or text
  end
  return text
end

return M
