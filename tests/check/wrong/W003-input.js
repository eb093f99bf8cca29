function(input) { return input.filter(n => n.sessions < 5)[0].id; }
