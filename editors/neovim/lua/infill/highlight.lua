---Highlight groups, each linked to one that every colour scheme has.
local M = {}

local has_hint = vim.fn.hlexists('ComplHint') == 1

local LINKS = {
  InfillGhost = has_hint and 'ComplHint' or 'Comment',
  InfillSure = 'DiagnosticOk',
  InfillLikely = 'DiagnosticWarn',
  InfillUnsure = 'DiagnosticError',
  InfillReplaced = 'NonText',
  InfillProgress = 'Comment',
}

-- The least confidence of each group.
local LEVELS = { { 0.8, 'InfillSure' }, { 0.5, 'InfillLikely' }, { 0, 'InfillUnsure' } }

function M.define()
  for group, target in pairs(LINKS) do
    vim.api.nvim_set_hl(0, group, { link = target, default = true })
  end
end

---@param confidence number 0 to 1
---@return string
function M.of(confidence)
  for _, level in ipairs(LEVELS) do
    if confidence >= level[1] then
      return level[2]
    end
  end
  return 'InfillUnsure'
end

return M
