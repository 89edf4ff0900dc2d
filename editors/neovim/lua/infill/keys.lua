---<Plug> mappings. No key is mapped to them: a user does that.
local M = {}

local INSERT = {
  ['accept'] = 'accept()',
  ['accept-word'] = "accept('word')",
  ['accept-line'] = "accept('line')",
  ['next'] = 'select(1)',
  ['previous'] = 'select(-1)',
  ['dismiss'] = 'dismiss()',
  ['suggest'] = 'suggest()',
}

local NORMAL = {
  ['cancel'] = 'cancel()',
  ['fill'] = "fill('gap')",
  ['fill-body'] = "fill('body')",
  ['fill-holes'] = "fill('holes')",
}

function M.define()
  local function map(mode, name, call)
    local run = ("<Cmd>lua require('infill').%s<CR>"):format(call)
    vim.keymap.set(mode, ('<Plug>(infill-%s)'):format(name), run, { desc = 'infill: ' .. name })
  end
  for name, call in pairs(INSERT) do
    map('i', name, call)
  end
  for name, call in pairs(NORMAL) do
    map({ 'n', 'i' }, name, call)
  end
  map('x', 'rewrite', "fill('selection')")
end

return M
