// The libraries that this `lua` opens: the standard ones, and luasocket's C half, ready for `require`.
// Lua's own linit.c says that whoever needs other libraries brings a file like this.
#include "lua.h"

#include "lauxlib.h"
#include "lualib.h"

int luaopen_socket_core(lua_State *L);
int luaopen_mime_core(lua_State *L);

static const luaL_Reg opened[] = {
    {LUA_GNAME, luaopen_base},         {LUA_LOADLIBNAME, luaopen_package}, {LUA_COLIBNAME, luaopen_coroutine},
    {LUA_TABLIBNAME, luaopen_table},   {LUA_IOLIBNAME, luaopen_io},        {LUA_OSLIBNAME, luaopen_os},
    {LUA_STRLIBNAME, luaopen_string},  {LUA_MATHLIBNAME, luaopen_math},    {LUA_UTF8LIBNAME, luaopen_utf8},
    {LUA_DBLIBNAME, luaopen_debug},    {NULL, NULL},
};

static const luaL_Reg preloaded[] = {
    {"socket.core", luaopen_socket_core},
    {"mime.core", luaopen_mime_core},
    {NULL, NULL},
};

LUALIB_API void luaL_openlibs(lua_State *L) {
    for (const luaL_Reg *library = opened; library->func != NULL; library++) {
        luaL_requiref(L, library->name, library->func, 1);
        lua_pop(L, 1);
    }
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    for (const luaL_Reg *library = preloaded; library->func != NULL; library++) {
        lua_pushcfunction(L, library->func);
        lua_setfield(L, -2, library->name);
    }
    lua_pop(L, 1);
}
