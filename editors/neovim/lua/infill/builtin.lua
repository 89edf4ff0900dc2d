---Neovim's own inline completion, which has no function to hide what it shows or to drop it.
local M = {}

-- Its name for where it draws.
local NAMESPACE = 'nvim.lsp.inline_completion'

local is_stopping = false

---For every server of the buffer: where only a client is enabled, Neovim 0.12.4 does not notice its
---end, and asks it for ever.
---@param bufnr integer
function M.enable(bufnr)
  vim.lsp.inline_completion.enable(true, { bufnr = bufnr })
end

---Have it drop its suggestion, and what it has asked for: what accepting does before it inserts.
function M.stop()
  is_stopping = vim.lsp.inline_completion.get({
    on_accept = function()
      return nil
    end,
  })
end

---Run `go_on` where stopping, which happens on the next turn of the loop, does not touch it.
---@param go_on fun()
function M.after_stop(go_on)
  if is_stopping then
    is_stopping = false
    vim.schedule(go_on)
  else
    go_on()
  end
end

---What it shows no longer fits what was typed; it finds out when the next answer comes.
function M.hide()
  local namespace = vim.api.nvim_get_namespaces()[NAMESPACE]
  if namespace then
    vim.api.nvim_buf_clear_namespace(0, namespace, 0, -1)
  end
end

return M
