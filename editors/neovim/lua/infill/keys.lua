---<Plug> mappings. One key is mapped to them by default, the one that accepts; a user maps others.
local options = require('infill.options')

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

---The key that accepts, in a buffer that the server serves: unless the user has mapped it to something,
---or has mapped something else to accept.
---@param bufnr integer
function M.attach(bufnr)
  local key = options.get().accept_key
  if not key or options.get().inline == false then
    return
  end
  vim.api.nvim_buf_call(bufnr, function()
    if vim.fn.maparg(key, 'i') == '' and vim.fn.hasmapto('<Plug>(infill-accept)', 'i') == 0 then
      vim.keymap.set('i', key, function()
        return require('infill').is_visible() and '<Plug>(infill-accept)' or key
      end, { buffer = bufnr, expr = true, remap = true, desc = 'infill: accept' })
    end
  end)
end

return M
