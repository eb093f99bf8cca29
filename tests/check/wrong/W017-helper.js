const isNight = () => new Date().getHours() > 20;
const filter = node => !isNight() || node.metadata.night === "true";
