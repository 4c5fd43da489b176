-- Overwritten keys that a step has met.
-- Needs: effects

-- Add them to the answer of the step, with an empty uuid.
local function report_faults()
  for _, found in ipairs({ broken, faults }) do
    for name, fault in pairs(found) do
      corrupt[#corrupt + 1], corrupt[#corrupt + 2], corrupt[#corrupt + 3] = '', name, fault
    end
  end
end
