exports.PresenceError = require('@vigie/client').PresenceError
