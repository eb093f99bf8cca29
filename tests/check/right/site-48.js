const isWeekend = d => d === 0 || d === 6;
function filter(node, request) { return !isWeekend(request.time.weekday) || node.staticData.weekend === true; }
