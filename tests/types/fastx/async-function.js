// expect: TS1064 async
async (input) => input.nodes[0].id;
