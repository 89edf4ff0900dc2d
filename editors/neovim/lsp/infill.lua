---What `vim.lsp.enable('infill')` starts, on Neovim 0.11 and later. `vim.lsp.config('infill', ...)`
---changes any of it.
return require('infill.client').config()
