---What the server says of itself, and the words for a status line.
local M = {}

---@class infill.Status
---@field state 'starting'|'ready'|'filling'|'paused'|'failed'
---@field model string
---@field device? string
---@field message string
---@field way? string how a server is asked; '' for a model that is run here, as are the next two
---@field why? string why so
---@field better? string what would be better
---@field confidence? string what confidences are worth
---@field quiet? infill.Quiet

---Why nothing was shown at the last pause; the numbers where one is under the other.
---@class infill.Quiet
---@field reason string
---@field confidence? number
---@field needed? number

---@type table<integer, infill.Status>
local statuses = {}

---@type { step: integer, of: integer }?
local step

---Milliseconds from the last request for ghost text to its answer.
---@type number?
M.last_answer = nil

---@param params infill.Status
---@param context lsp.HandlerContext
function M.on_status(_, params, context)
  for _, field in ipairs({ 'device', 'confidence' }) do
    if params[field] == vim.NIL then
      params[field] = nil
    end
  end
  params.quiet = M.quiet(params.quiet)
  statuses[context.client_id] = params
  M.changed(params)
end

---@param quiet any
---@return infill.Quiet?
function M.quiet(quiet)
  if type(quiet) ~= 'table' then
    return nil
  end
  local has_numbers = type(quiet.confidence) == 'number' and type(quiet.needed) == 'number'
  return {
    reason = quiet.reason,
    confidence = has_numbers and quiet.confidence or nil,
    needed = has_numbers and quiet.needed or nil,
  }
end

---@param draft { step: integer, of: integer }? nothing: no fill is shown any more
function M.on_step(draft)
  step = draft and { step = draft.step, of = draft.of }
  M.redraw()
end

---@param client_id integer
function M.forget(client_id)
  statuses[client_id] = nil
  M.changed()
end

---@param status? infill.Status
function M.changed(status)
  M.redraw()
  vim.api.nvim_exec_autocmds('User', { pattern = 'InfillStatus', modeline = false, data = status })
end

function M.redraw()
  vim.cmd.redrawstatus({ bang = true })
end

---@param bufnr? integer
---@return infill.Status?
function M.of(bufnr)
  local client = require('infill.client').of(bufnr)
  return client and (statuses[client.id] or { state = 'starting', model = '', message = '' })
end

---For a status line: a few words, or none where the server does not serve the buffer.
---@return string
function M.line()
  local status = M.of(0)
  if not status then
    return ''
  end
  if step and status.state ~= 'paused' then
    return ('infill: step %d of %d'):format(step.step, step.of)
  end
  local client = require('infill.client').of(0)
  local settings = client and client.settings and client.settings.infill or {}
  if status.state == 'ready' then
    if settings.trigger == 'manual' then
      return 'infill: manual'
    end
    local quiet = status.quiet
    if quiet and quiet.confidence then
      return ('infill: quiet, %.2f is under %.2f'):format(quiet.confidence, quiet.needed)
    end
    return 'infill: ready'
  end
  return 'infill: ' .. status.state
end

---For `:Infill status` and the health check: all there is to say.
---@param bufnr? integer
---@return string
function M.report(bufnr)
  local status = M.of(bufnr)
  if not status then
    return 'infill: no server for this buffer; `:checkhealth infill` says why'
  end
  local words = { 'infill: ' .. status.state, 'model ' .. status.model }
  if status.device then
    table.insert(words, 'on ' .. status.device)
  end
  if M.last_answer then
    table.insert(words, ('last ghost text after %.0f ms'):format(M.last_answer))
  end
  if status.quiet then
    local shows = 'at the last pause nothing was shown: %s; `:Infill suggest` shows it anyway'
    table.insert(words, shows:format(status.quiet.reason))
  end
  if status.message ~= '' then
    table.insert(words, status.message)
  end
  if (status.way or '') ~= '' then
    table.insert(words, ('asked by %s: %s'):format(status.way, status.why))
    if status.better ~= '' then
      table.insert(words, 'better: ' .. status.better)
    end
    if status.confidence then
      table.insert(words, 'confidence ' .. status.confidence)
    end
  end
  return table.concat(words, ', ')
end

return M
