const rules = [
  { test: input => input.isAdmin, pick: nodes => nodes },
  { test: input => input.userGroups.includes('gpu'), pick: nodes => nodes.filter(n => n.staticData.gpu) },
  { test: () => true, pick: nodes => nodes.filter(n => !n.staticData.gpu) },
];
function balance(input) {
  const rule = rules.find(r => r.test(input));
  return rule.pick(input.nodes);
}
