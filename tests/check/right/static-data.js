function(input) {
  const { cores = 1, memory = 0 } = input.data;
  const fits = input.servers.filter(s => s.cores >= cores && s.memory >= memory && s.tier !== 'old' && s.gpus > 0);
  if (!fits.length) throw new Error('No server is large enough');
  return fits.sort((a, b) => a.cores - b.cores);
}
