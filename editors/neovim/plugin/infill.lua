if vim.g.loaded_infill then
  return
end
vim.g.loaded_infill = true

if vim.fn.has('nvim-0.10') == 0 then
  vim.notify('infill needs Neovim 0.10 or later', vim.log.levels.WARN)
  return
end

require('infill.highlight').define()
require('infill.keys').define()
require('infill.command').define()
require('infill.client').define()

-- A moment later, so that setup() in a configuration or from a plugin manager comes first.
vim.schedule(function()
  require('infill').start_by_itself()
end)
