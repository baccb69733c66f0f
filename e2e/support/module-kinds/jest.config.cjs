module.exports = { testMatch: ['**/*.jest.[cm]js'] }
