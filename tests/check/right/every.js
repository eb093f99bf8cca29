input => {
  const quiet = input.nodes.filter(n => n.nodeData.sessions.every(s => s.user !== 'root') && n.urls.length > 0);
  const least = Math.min(...quiet.map(n => n.sessions));
  return quiet.filter(n => n.sessions === least).map(n => n.id);
}
